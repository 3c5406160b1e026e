"""Starts the traced program and looks after it until it has ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

from asyncctx_trace.recording.retention import Keep
from asyncctx_trace.recording.ring import Alive, BoundedRecorder
from asyncctx_trace.recording.segments import create
from asyncctx_trace.recording.writer import TextWriter
from asyncctx_trace.runtime.launch import environment

__all__ = ["Program", "interpreter"]

_FLAGS_FROM_ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "-B",
    "PYTHONOPTIMIZE": "-O",
    "PYTHONVERBOSE": "-v",
}

_GRACE = 3.0
"""Seconds that a program has to follow each signal that asks it to stop."""

_HEARTBEAT = 1.0
"""Seconds between two notes that the program runs."""

_IDLE = 0.3
"""Seconds after which a line that is not ended yet (a prompt, a progress bar) is kept as it is."""


def interpreter() -> list[str]:
    """The Python that runs us, with the flags it was given (``-X dev``, ``-O``, ``-W error`` …)."""
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    # What the environment says, the program hears by itself, and need not find in its argv.
    said = {flag for name, flag in _FLAGS_FROM_ENVIRONMENT.items() if os.environ.get(name)}
    return [sys.executable, *(flag for flag in flags if flag not in said)]


class Program:
    """A traced program in a process of its own, which writes the recording itself.

    With ``captured`` its output goes line by line into the recording, it reads nothing, and it
    leads a process group that :meth:`stop` ends as a whole. Without, it owns our standard
    streams and gets the terminal's signals as if we were not there.
    """

    def __init__(
        self,
        words: Sequence[str],
        recording: Path,
        *,
        captured: bool,
        overwrite: bool = False,
        keep: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        """Start ``python *words``; ``options`` reach the program's side of the launch.

        ``keep`` bounds the recording (``"200MB"``, ``"10m"``). Raises AsyncctxTraceError if it
        says nothing of the kind, RecordingExists, or OSError where the recording has no room.
        """
        bound = None if keep is None else Keep.parse(keep)
        create(recording, overwrite=overwrite)
        self.recording = recording
        self.captured = captured
        self._notes = (
            TextWriter(recording) if bound is None else BoundedRecorder(recording, bound, Alive)
        )
        self._ended = threading.Lock()
        self._exit_code: int | None = None
        self._over = threading.Event()
        streams: dict[str, Any] = {}
        if captured:
            streams = {
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "start_new_session": True,
            }
        self._process = subprocess.Popen(
            [*interpreter(), *words],
            env=environment(recording, {"captured": captured, "keep": keep, **(options or {})}),
            **streams,
        )
        self.pid = self._process.pid
        self._readers = [
            threading.Thread(target=self._record_output, args=(name, stream), daemon=True)
            for name, stream in (("stdout", self._process.stdout), ("stderr", self._process.stderr))
            if stream is not None
        ]
        for reader in self._readers:
            reader.start()
        threading.Thread(target=self._write_heartbeats, daemon=True).start()

    def exit_code(self) -> int | None:
        """How it ended (a signal as ``-n``), or ``None`` while it runs; never waits."""
        if self._process.poll() is None:
            return None
        return self._record_end()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, at most ``timeout`` seconds, then raises subprocess.TimeoutExpired."""
        self._process.wait(timeout)
        return self._record_end()

    def interrupt(self) -> None:
        """Ask it to stop as Ctrl-C does."""
        self._signal(signal.SIGINT)

    def stop(self, grace: float = _GRACE) -> int:
        """End it: ask with SIGINT, then SIGTERM, each with ``grace`` seconds, then SIGKILL.

        Returns its exit code, when no process of its group is left.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            if self.exit_code() is None:
                self._signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.wait(grace)
        # What the program has started and left behind goes with it.
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        return self.wait()

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            self._record_interruption(number)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.captured and hasattr(os, "killpg"):
                os.killpg(self.pid, number)
            else:
                self._process.send_signal(number)

    def _record_interruption(self, number: int, *, late: bool = False) -> None:
        """Stamp the moment of a signal; ``late`` if it may have had an effect already."""
        with contextlib.suppress(OSError):  # no room on the disk
            self._notes.interrupted(
                time.monotonic_ns(), self.pid, signal.Signals(number).name, late=late
            )

    @contextlib.contextmanager
    def forwarding_signals(self) -> Iterator[None]:
        """While inside, our signals are the program's: Ctrl-C is its to answer, not ours.

        The terminal sends Ctrl-C to both of us, so we only note it; what is sent to us alone is
        passed on.
        """

        def note(number: int, frame: FrameType | None) -> None:
            self._record_interruption(number, late=True)

        def pass_on(number: int, frame: FrameType | None) -> None:
            self._signal(number)

        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        answer = signal.SIG_IGN if ignored else note
        before: dict[int, Any] = {signal.SIGINT: signal.signal(signal.SIGINT, answer)}
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                before[getattr(signal, name)] = signal.signal(getattr(signal, name), pass_on)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _record_end(self) -> int:
        """Note the end in the recording, once; what it printed before comes first."""
        at = time.monotonic_ns()
        self._over.set()
        with self._ended:
            if self._exit_code is None:
                for reader in self._readers:
                    # A grandchild may keep the pipe open: what it prints is nobody's by now.
                    reader.join(_GRACE / 10)
                with contextlib.suppress(OSError):  # a full disk: the exit code still counts
                    self._notes.process_ended(at, self.pid, self._process.returncode)
                    self._notes.process_ended(at, os.getpid(), None)
                self._exit_code = self._process.returncode
        return self._exit_code

    def _write_heartbeats(self) -> None:
        """Note from time to time that the program runs: if we are both killed, how long it hung."""
        while not self._over.wait(_HEARTBEAT):
            self._notes.heartbeat(time.monotonic_ns())

    def _record_output(self, name: str, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError), stream:
            for line in _lines(stream.fileno(), _IDLE):
                at = time.monotonic_ns()
                self._notes.printed(at, name, line.decode("utf-8", "replace"))


def _lines(fd: int, idle: float, read: Callable[[int, int], bytes] = os.read) -> Iterator[bytes]:
    """The lines from ``fd`` without their ends; one that stalls for ``idle`` seconds as it is."""
    begun = b""
    while True:
        if begun and not _readable(fd, idle):
            yield begun
            begun = b""
        data = read(fd, 1 << 16)
        if not data:
            break
        *whole, begun = (begun + data).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r")
    if begun:
        yield begun


def _readable(fd: int, timeout: float) -> bool:
    if os.name == "nt":  # no select on pipes there: wait for the rest of the line
        return True
    import select

    return bool(select.select([fd], [], [], timeout)[0])
