"""Calls a function at a regular interval, on a thread that ``threading`` does not list.

The native watchdog does the same, and is not seen by ``_thread`` and tracers either.
"""

from __future__ import annotations

import _thread
from collections.abc import Callable

__all__ = ["start_watchdog", "stop_watchdog"]


class _Periodic:
    def __init__(self, function: Callable[[], None], interval: int) -> None:
        self._function = function
        self._interval = interval / 1e9
        self._stopping = _thread.allocate_lock()
        """Held until the thread is to stop."""
        self._running = _thread.allocate_lock()
        """Held until it has."""
        self._stopping.acquire()
        self._running.acquire()
        try:
            _thread.start_new_thread(self._run, ())
        except BaseException:
            self._running.release()
            raise

    def _run(self) -> None:
        try:
            while not self._stopping.acquire(timeout=self._interval):
                self._function()
        finally:
            self._running.release()

    def stop(self) -> None:
        self._stopping.release()
        self._running.acquire()


_current: _Periodic | None = None


def start_watchdog(function: Callable[[], None], interval: int) -> None:
    """Call ``function``, which must not raise, every ``interval`` ns."""
    global _current
    if _current is not None:
        raise RuntimeError("the watchdog runs already")
    _current = _Periodic(function, interval)


def stop_watchdog() -> None:
    """Stop it, and wait until no call is running; no error if there is none."""
    global _current
    current, _current = _current, None
    if current is not None:
        current.stop()
