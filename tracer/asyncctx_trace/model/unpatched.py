"""Functions of the standard library as they were when this package was imported.

Programs and test tools replace them later: freezegun and time-machine replace clocks, blockbuster
blocking functions, pyfakefs the file system, gevent locks. The recorder must not be affected. They
are kept in a class, since freezegun and pyfakefs search the global names of all modules.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Callable

from asyncctx_trace.native import extension

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # a module elsewhere

__all__ = ["unpatched"]

_clock: Callable[[], int] = getattr(
    extension("asyncctx_trace.recording"), "monotonic_ns", time.monotonic_ns
)


class unpatched:
    """A namespace: ``unpatched.open`` is the original ``os.open``."""

    monotonic_ns = _clock  # bare: the interpreter caches the look-up of what binds nothing
    time_ns = staticmethod(time.time_ns)

    close = staticmethod(os.close)
    fstat = staticmethod(os.fstat)
    getpid = staticmethod(os.getpid)
    getppid = staticmethod(os.getppid)
    lseek = staticmethod(os.lseek)
    open = staticmethod(os.open)
    if hasattr(os, "posix_fallocate"):
        posix_fallocate = staticmethod(os.posix_fallocate)
    if hasattr(os, "pread"):
        pread = staticmethod(os.pread)
    read = staticmethod(os.read)
    write = staticmethod(os.write)

    if fcntl is not None:
        flock = staticmethod(fcntl.flock)
        LOCK_EX = fcntl.LOCK_EX
        LOCK_NB = fcntl.LOCK_NB
        LOCK_UN = fcntl.LOCK_UN

    sleep = staticmethod(time.sleep)
    mmap = mmap.mmap
    RLock = staticmethod(threading.RLock)


del _clock
