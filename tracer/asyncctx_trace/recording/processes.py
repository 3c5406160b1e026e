"""Whether a process that writes to a recording still runs."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["runs"]


def runs(pid: int) -> bool:
    """Return whether the process ``pid`` may still write: it has not ended, as far as is known."""
    if os.name == "nt":  # where signal 0 is Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it exists, and belongs to another user
        pass
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Return whether the process has ended but its parent has not waited for it, if known."""
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return status.rpartition(b")")[2].split()[:1] in ([b"Z"], [b"X"])
