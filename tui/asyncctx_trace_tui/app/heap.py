"""Keep the C library from hoarding the memory that the app's short-lived threads free."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["limit_heap"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of mallopt(3)."""


def limit_heap() -> bool:
    """Have glibc use one arena, and return large blocks to the system; return whether it does.

    Each answer is computed on a thread of its own. By default, glibc gives threads arenas of their
    own and keeps what they free: an app that followed a ring for long came to occupy three times
    the memory that it used.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return False
    done = (
        mallopt(_ARENA_MAX, 1),
        mallopt(_TRIM_THRESHOLD, 1 << 17),
        mallopt(_MMAP_THRESHOLD, 1 << 16),
    )
    return all(done)
