"""End the app on SIGTERM and SIGHUP, even if its terminal is gone."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["TerminationHandler"]

_SIGNALS = ("SIGTERM", "SIGHUP")
_GRACE = 2.0
"""Seconds that the app gets to end by itself after the program has been stopped."""


class TerminationHandler:
    """Handles the signals that ask the app to end, while it is in use as a context manager.

    When a terminal is closed, Textual may wait forever for it to take the next frame: the event
    loop stands still, and nobody would stop the traced program. So the program is stopped on a
    thread of its own, and if the app has not ended then, the process does. Only in the main thread.
    """

    def __init__(self, exit: Callable[[], None], stop: Callable[[], object]) -> None:
        """``exit`` ends the app; ``stop`` stops the program, and is called on another thread."""
        self._exit = exit
        self._stop = stop
        self._ended = threading.Event()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for name in _SIGNALS:
                if hasattr(signal, name):
                    number = getattr(signal, name)
                    self._before[number] = signal.signal(number, self._handle)

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # A handler of Python's is called even while the event loop waits for a lock.
        threading.Thread(target=self._exit_anyway, args=(number,), daemon=True).start()
        self._exit()

    def _exit_anyway(self, number: int) -> None:
        self._stop()
        if not self._ended.wait(_GRACE):
            os._exit(128 + number)
