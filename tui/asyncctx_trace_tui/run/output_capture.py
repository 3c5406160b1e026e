"""Record the output of a program line by line, as it is printed."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping

from asyncctx_trace.recording.writing.writer import TextWriter

__all__ = ["OutputCapture"]

_IDLE = 0.3
"""Seconds after which an incomplete line (a prompt, a progress bar) is recorded as it is."""


class OutputCapture:
    """Reads pipes, each on a thread of its own, and records their lines until they are closed."""

    def __init__(self, recorder: TextWriter, pipes: Mapping[str, int]) -> None:
        """``pipes``: ``stdout`` or ``stderr`` -> file descriptor, which is closed at its end."""
        self._recorder = recorder
        self._stopped, self._stop = os.pipe()
        self._open = dict(pipes)
        self._threads = [
            threading.Thread(target=self._record, args=(name, fd), daemon=True)
            for name, fd in pipes.items()
        ]
        for thread in self._threads:
            thread.start()

    def join(self, timeout: float) -> None:
        """Wait until the pipes are closed, at most ``timeout`` seconds each."""
        for thread in self._threads:
            thread.join(timeout)

    def stop(self) -> dict[str, int]:
        """Stop reading, and return the pipes that are still open.

        Incomplete lines are recorded as they are. Nothing that is printed later is lost: it stays
        in the pipes. POSIX only.
        """
        os.write(self._stop, b"x")
        for thread in self._threads:
            thread.join()
        return self._open

    def _record(self, name: str, fd: int) -> None:
        with contextlib.suppress(OSError):
            for line in self._lines(fd):
                # The program goes on only as long as somebody reads what it prints.
                with contextlib.suppress(OSError):
                    text = line.decode("utf-8", "replace")
                    self._recorder.printed(time.monotonic_ns(), name, text)

    def _lines(self, fd: int) -> Iterator[bytes]:
        """Yield the lines from ``fd`` without line ends; incomplete ones after a while."""
        partial = b""
        while True:
            if partial and self._wait(fd, _IDLE) == "timeout":
                yield partial
                partial = b""
            if self._wait(fd, None) == "stopped":
                break
            data = os.read(fd, 1 << 16)
            if not data:
                self._open = {name: pipe for name, pipe in self._open.items() if pipe != fd}
                os.close(fd)
                break
            *lines, partial = (partial + data).split(b"\n")
            for line in lines:
                yield line.removesuffix(b"\r")
        if partial:
            yield partial

    def _wait(self, fd: int, timeout: float | None) -> str:
        """Wait until ``fd`` can be read; return ``ready``, ``timeout`` or ``stopped``."""
        if os.name == "nt":  # select does not support pipes there: wait for the rest of the line
            return "ready"
        import select

        ready, _, _ = select.select([fd, self._stopped], [], [], timeout)
        if self._stopped in ready:
            return "stopped"
        return "ready" if ready else "timeout"
