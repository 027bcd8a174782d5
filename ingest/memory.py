"""Nothing in, memory that nobody uses given back to the system; touches the C library's allocator.

A closed vector index leaves its memory with the allocator of this process, which keeps it.
"""

from __future__ import annotations

import ctypes
import sys


def give_back_memory() -> bool:
    """Ask the allocator to let go of what is free; false where it knows no such request."""
    if sys.platform != "linux":
        return False
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
    return trim is not None and bool(trim(0))
