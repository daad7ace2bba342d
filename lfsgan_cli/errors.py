"""The program's expected endings: each error words itself in one line (value, what was expected, the way out)."""

import errno
from typing import ClassVar

# What torch's allocator on the CPU says, which has no class of its own, and Python of a thread without a stack.
_FULL = ("DefaultCPUAllocator: ", "can't start new thread")


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
