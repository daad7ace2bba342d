"""The program's expected endings: each error words itself in one line (value, what was expected, the way out)."""

import errno
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import ClassVar

# Messages without a class of their own: torch's allocator on the CPU, Python for a thread without a stack, CUDA's
# driver, and the libraries that allocate on the GPU for themselves.
_FULL = (
    "DefaultCPUAllocator: ",
    "can't start new thread",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
)


class LfsganError(Exception):
    """The base of every expected error; shown as one line after `label`. status: the process's exit code."""

    status: ClassVar[int] = 1
    label: ClassVar[str] = "Error: "


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory is full, on the computer or on a device; told without torch."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # as torch calls it
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _FULL)


# How values are spelled in messages: safe to show on a terminal, with the nearest known name when one is mistyped.


LONGEST_NAME = 200
_LISTED = 12  # names in a message


def printable(text: str) -> str:
    r"""`text` with all that steers a terminal (escapes, line ends, bidirectional marks) spelled out, as in `\x1b`."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def printable_lines(text: str) -> str:
    """`text` with its lines as they are, and each of them as `printable` has it."""
    return "\n".join(map(printable, text.split("\n")))


def one_line(text: str) -> str:
    """`text` joined to one printable line."""
    return printable(" ".join(line.strip() for line in text.splitlines() if line.strip()))


def choices(known: Iterable[str], name: str = "") -> str:
    """The known names in order, followed by the one that `name` is probably meant to be."""
    ordered = sorted(known)
    near = get_close_matches(name, ordered, n=1)
    return (", ".join(ordered) or "none") + (f" (did you mean {near[0]!r}?)" if near else "")


def shortened(names: Sequence[str]) -> str:
    """The first twelve names, and how many more there are."""
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def quoted(value: object, most: int = 80) -> str:
    """What a file says, fit for a message: as Python spells it, on one printable line, cut after `most` characters."""
    spelled = repr(value)
    return spelled if len(spelled) <= most else f"{spelled[:most]}…"


def is_presentable(name: str) -> bool:
    """Whether a name that a file gives can be shown as it is: on one line, printable, and no longer than others."""
    return name.isprintable() and len(name) <= LONGEST_NAME
