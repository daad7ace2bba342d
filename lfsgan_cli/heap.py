"""Memory that is let go stays with the process, for the next batch, instead of going back to the system."""

from __future__ import annotations

import ctypes
import sys

# The numbers of two settings of glibc's allocator (malloc.h), and one that no feature map exceeds.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST = 2**31 - 1


def keep_freed() -> bool:
    """Whether it could be set, for the whole process and until it ends; elsewhere than under glibc nothing is done.

    Large feature maps otherwise come from the system whenever they are made, and it clears each page anew.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return bool(mallopt and mallopt(M_MMAP_THRESHOLD, LARGEST) and mallopt(M_TRIM_THRESHOLD, LARGEST))
