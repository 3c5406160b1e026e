"""End the program, and then the app, when the user's terminal closes or a signal asks for it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Protocol

__all__ = ["Termination"]

_INTERVAL = 0.5
"""Seconds between two checks whether the terminal is still there."""
_GRACE = 3.0
"""Seconds that the app gets to end after the program has ended."""


class _Stoppable(Protocol):
    """A traced program."""

    def stop(self) -> int:
        """End it, and return its exit code when no process of it is left."""


class Termination:
    """Ends program and app on SIGTERM, on SIGHUP, and when the terminal is gone.

    The app cannot be relied on: without its terminal, Textual may wait forever for a write that
    nobody takes. So a thread ends the program as ``q`` does, then asks the app to exit, and ends
    this process if it has not ended by itself. Use it as a context manager in the main thread,
    around the start of the program and the run of the app.
    """

    def __init__(
        self,
        *,
        has_program: bool,
        grace: float = _GRACE,
        force: Callable[[int], Any] = os._exit,
    ) -> None:
        """``has_program``: whether :meth:`program_started` will be called."""
        self._grace = grace
        self._force = force
        self._program: _Stoppable | None = None
        self._started = threading.Event()
        if not has_program:
            self._started.set()
        self._exit_app: Callable[[], object] = lambda: None
        self._finished = threading.Event()
        self._handlers: dict[int, Any] = {}
        self._number = 0

    def __enter__(self) -> Termination:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, self._handle)
        terminal = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else -1
        threading.Thread(
            target=self._watch, args=(terminal,), name="termination", daemon=True
        ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._finished.set()
        self._started.set()
        for number, previous in self._handlers.items():
            signal.signal(number, previous)
        self._wake()

    def program_started(self, program: _Stoppable) -> None:
        """Take the program that is to be ended."""
        self._program = program
        self._started.set()

    def app_started(self, exit_app: Callable[[], object]) -> None:
        """Take the function that makes the app exit; it is called in another thread."""
        self._exit_app = exit_app

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        # Nothing else: the main thread may hold any lock at this moment.
        self._number = number
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._write, b"\0")

    def _watch(self, terminal: int) -> None:
        try:
            while not self._is_asked() and not _is_gone(terminal):
                pass
            if not self._finished.is_set():
                self._end()
        finally:
            os.close(self._read)
            os.close(self._write)

    def _is_asked(self) -> bool:
        """Wait for a signal, for the end of the context, or for the next check."""
        return bool(select.select([self._read], [], [], _INTERVAL)[0])

    def _end(self) -> None:
        self._started.wait()
        code = -(self._number or getattr(signal, "SIGHUP", signal.SIGTERM))
        if self._program is not None:
            code = self._program.stop()
        deadline = time.monotonic() + self._grace
        while not self._finished.wait(0.1) and time.monotonic() < deadline:
            # Again and again: it may have been about to start.
            with contextlib.suppress(Exception):
                self._exit_app()
        if not self._finished.is_set():
            self._force(128 - code if code < 0 else code)


def _is_gone(terminal: int) -> bool:
    """Whether ``terminal`` was closed at its other end."""
    if terminal < 0:
        return False
    import termios  # there are no terminals of this kind on Windows
    from errno import EIO

    try:
        termios.tcgetattr(terminal)
    except termios.error as error:
        return bool(error.args and error.args[0] == EIO)
    return False
