"""The wall clock at readings of the monotonic clock."""

from __future__ import annotations

import time

__all__ = ["WallClock"]


class WallClock:
    """Converts times by one anchor, which is read when the object is created."""

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()

    def at(self, monotonic: int) -> int:
        """Return the wall-clock time (ns since 1970, UTC) at monotonic time ``monotonic`` (ns)."""
        return self._offset + monotonic

    def now(self) -> int:
        """Return the wall-clock time now (ns since 1970, UTC); it never decreases."""
        return self._offset + time.monotonic_ns()
