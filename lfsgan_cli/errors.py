"""The program's expected endings: each error words itself in one line (value, what was expected, the way out)."""

from typing import ClassVar


class LfsganError(Exception):
    """The base of every expected error; shown as one line after `label`. status: the process's exit code."""

    status: ClassVar[int] = 1
    label: ClassVar[str] = "Error: "
