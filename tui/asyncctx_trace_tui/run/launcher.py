"""Start a traced program as a child process and record its output and its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from asyncctx_trace.recording.writing.retention import Retention
from asyncctx_trace.recording.writing.ring import LiveSet, RingRecorder
from asyncctx_trace.recording.writing.segments import create
from asyncctx_trace.recording.writing.writer import TextWriter
from asyncctx_trace.runtime.launch import environment
from asyncctx_trace_tui.run.output_capture import OutputCapture

__all__ = ["Program", "interpreter"]

_FLAGS_FROM_ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "-B",
    "PYTHONOPTIMIZE": "-O",
    "PYTHONVERBOSE": "-v",
}

_GRACE = 3.0
"""Seconds that a program gets to end after each signal."""

_HEARTBEAT = 1.0
"""Seconds between two heartbeats in the recording."""


def interpreter() -> list[str]:
    """Return the command of this Python with its flags (``-X dev``, ``-O``, ``-W error`` …)."""
    # As multiprocessing does; no public function returns them.
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    # The program inherits what the environment sets, so leave it out of ``sys.orig_argv``.
    inherited = {flag for name, flag in _FLAGS_FROM_ENVIRONMENT.items() if os.environ.get(name)}
    return [sys.executable, *(flag for flag in flags if flag not in inherited)]


class Program:
    """A traced program in a child process, which writes the recording itself.

    If ``captured``, its output is recorded line by line, its standard input is empty, and it leads
    a process group that :meth:`stop` ends as a whole. Otherwise it inherits the standard streams
    and receives the signals of the terminal.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        recording: Path,
        *,
        captured: bool,
        overwrite: bool = False,
        keep: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        """Start ``python *arguments``, recording to ``recording``.

        ``keep`` limits the recording to its newest part (``"200MB"``, ``"10m"``); ``options`` are
        those of :func:`asyncctx_trace.runtime.launch.environment`. Raises AsyncctxTraceError if
        ``keep`` is invalid, RecordingExists, or OSError if the recording cannot be created.
        """
        bound = None if keep is None else Retention.parse(keep)
        create(recording, overwrite=overwrite)
        self.recording = recording
        self._keep = keep
        self.captured = captured
        self._redact = bool((options or {}).get("redact"))
        self._recorder = (
            TextWriter(recording, redact=self._redact)
            if bound is None
            else RingRecorder(recording, bound, LiveSet, redact=self._redact)
        )
        self._end_lock = threading.Lock()
        self._exit_code: int | None = None
        self._finished = threading.Event()
        self._left = False
        streams: dict[str, Any] = {}
        pipes: dict[str, int] = {}
        if captured:
            streams = {"stdin": subprocess.DEVNULL, "start_new_session": True}
            for name in ("stdout", "stderr"):
                pipes[name], streams[name] = os.pipe()
        self._deferred: list[int] = []
        self._handlers_before = {} if captured else self._defer_signals()
        try:
            self._process = subprocess.Popen(
                [*interpreter(), *arguments],
                env=environment(recording, {"captured": captured, "keep": keep, **(options or {})}),
                **streams,
            )
        except BaseException:
            self._restore_handlers()
            for fd in pipes.values():
                os.close(fd)
            raise
        finally:
            for name in pipes:
                os.close(streams[name])
        self.pid = self._process.pid
        self._output = OutputCapture(self._recorder, pipes)
        threading.Thread(target=self._write_heartbeats, daemon=True).start()

    def exit_code(self) -> int | None:
        """Return the exit code (a signal as ``-n``), or ``None`` while it runs; never waits."""
        if self._process.poll() is None:
            return None
        return self._record_end()

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ends, and return the exit code.

        Raises subprocess.TimeoutExpired after ``timeout`` seconds.
        """
        self._process.wait(timeout)
        return self._record_end()

    def stop(self, grace: float = _GRACE) -> int:
        """End it by SIGINT, SIGTERM and SIGKILL, ``grace`` seconds apart; return the exit code.

        Returns when no process of its group is left. A program that was left running is left
        alone; the result is 0.
        """
        if self._left:
            return 0
        for number in (signal.SIGINT, signal.SIGTERM):
            if self.exit_code() is None:
                self._signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.wait(grace)
        # End processes that the program has started and left behind.
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        return self.wait()

    @property
    def can_leave_running(self) -> bool:
        """Whether :meth:`leave_running` is supported here."""
        return self.captured and hasattr(os, "fork")

    def leave_running(self) -> None:
        """Let the program run on after this process has ended.

        A process in the background records its output from now on, so that nothing is lost and
        nothing blocks; :meth:`stop` does nothing any more. Raises OSError if that process cannot
        be started.
        """
        pipes = self._output.stop()
        arguments = {
            "recording": str(self.recording.resolve()),
            "pid": self.pid,
            "pipes": pipes,
            "keep": self._keep,
            "redact": self._redact,
        }
        try:
            _start_keeper(arguments, pipes.values())
        except OSError:
            self._output = OutputCapture(self._recorder, pipes)
            raise
        self._left = True
        self._finished.set()
        with contextlib.suppress(OSError):  # the disk is full
            self._recorder.process_ended(time.monotonic_ns(), os.getpid(), None)

    @property
    def left_running(self) -> bool:
        """Whether :meth:`leave_running` was called."""
        return self._left

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            self._record_interruption(number)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.captured and hasattr(os, "killpg"):
                os.killpg(self.pid, number)
            else:
                self._process.send_signal(number)

    def _record_interruption(self, number: int, *, late: bool = False) -> None:
        """Record the time of a signal; ``late`` if it may already have had an effect."""
        with contextlib.suppress(OSError):  # the disk is full
            self._recorder.interrupted(
                time.monotonic_ns(), self.pid, signal.Signals(number).name, late=late
            )

    @contextlib.contextmanager
    def forwarding_signals(self) -> Iterator[None]:
        """Forward SIGTERM and SIGHUP to the program, and leave Ctrl-C to it.

        The terminal sends Ctrl-C to both processes, so it is only recorded here.
        """

        def note(number: int, _frame: FrameType | None) -> None:
            self._record_interruption(number, late=True)

        def forward(number: int, _frame: FrameType | None) -> None:
            self._signal(number)

        for number, previous in self._handlers_before.items():
            if number != signal.SIGINT:
                signal.signal(number, forward)
            elif previous is not signal.SIG_IGN:
                signal.signal(number, note)
        try:
            while self._deferred:
                number = self._deferred.pop(0)
                (note if number == signal.SIGINT else forward)(number, None)
            yield
        finally:
            self._restore_handlers()

    def _defer_signals(self) -> dict[int, Any]:
        """Keep the signals that arrive from now on for :meth:`forwarding_signals`.

        The program starts a moment before its launcher can forward to it: a signal in between
        would end the launcher alone. Returns the handlers that were there before.
        """
        names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
        before: dict[int, Any] = {}
        for number in (getattr(signal, name) for name in names):
            before[number] = signal.getsignal(number)
            if before[number] is not signal.SIG_IGN:  # which the program is to inherit, as by nohup
                signal.signal(number, lambda number, _frame: self._deferred.append(number))
        return before

    def _restore_handlers(self) -> None:
        for number, previous in self._handlers_before.items():
            signal.signal(number, previous)

    def _record_end(self) -> int:
        """Record the end once, after all output."""
        at = time.monotonic_ns()
        self._finished.set()
        with self._end_lock:
            if self._exit_code is None:
                # A grandchild may keep the pipes open: do not wait for its output.
                self._output.join(_GRACE / 10)
                with contextlib.suppress(OSError):  # the disk is full
                    self._recorder.process_ended(at, self.pid, self._process.returncode)
                    self._recorder.process_ended(at, os.getpid(), None)
                self._exit_code = self._process.returncode
        return self._exit_code

    def _write_heartbeats(self) -> None:
        """Record heartbeats: if both processes are killed, they show how long the program hung."""
        while not self._finished.wait(_HEARTBEAT):
            self._recorder.heartbeat(time.monotonic_ns())


def _start_keeper(arguments: dict[str, Any], pipes: Iterable[int]) -> None:
    """Start the keeper and wait until it records; raises OSError if it does not."""
    keeper = subprocess.Popen(
        [sys.executable, "-P", "-m", "asyncctx_trace_tui.run.keeper", json.dumps(arguments)],
        pass_fds=tuple(pipes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert keeper.stdout is not None
    with keeper.stdout:
        if not keeper.stdout.read():
            raise OSError(f"{keeper.args!r} ended with exit code {keeper.wait()}")
