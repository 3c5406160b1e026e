"""Turns the monotonic clock into the time of day, by one anchor."""

from __future__ import annotations

import time

__all__ = ["WallClock"]


class WallClock:
    """One moment on both clocks, read when it is made."""

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()

    def at(self, monotonic: int) -> int:
        """The wall clock (ns since 1970, UTC) at ``monotonic`` ns."""
        return self._offset + monotonic

    def now(self) -> int:
        """The wall clock now; never goes back."""
        return self._offset + time.monotonic_ns()
