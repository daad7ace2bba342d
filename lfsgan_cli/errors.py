"""The program's expected endings: each error words itself in one line (value, what was expected, the way out)."""


class LfsganError(Exception):
    """The base of every expected error; shown as one line, exit code 1."""
