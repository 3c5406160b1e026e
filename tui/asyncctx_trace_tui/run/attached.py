"""Record a program that is running already, for as long as somebody looks."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from asyncctx_trace.analysis.deadlocks.live import DeadlockWatch
from asyncctx_trace.attach.commands import begin_recording, end_recording
from asyncctx_trace.attach.target import Target, find_target, has_ended
from asyncctx_trace.recording.writing.segments import create

__all__ = ["Attached", "detach", "watch"]

_INTERVAL = 0.25
"""Seconds between two looks at the recording."""


class Attached:
    """A program that records itself from the beginning to the end of a ``with`` block."""

    def __init__(
        self, target: Target, recording: Path, options: dict[str, object], timeout: float
    ) -> None:
        """``options``: see ``asyncctx_trace.attach.recorder.begin``; ``timeout`` is in seconds."""
        self.target = target
        self.recording = recording
        self.held = 0
        self.waits = 0
        self._options = options
        self._timeout = timeout
        self._lock = threading.Lock()
        self._stopped = False

    def __enter__(self) -> Attached:
        create(self.recording)
        if os.geteuid() != self.target.uid:
            os.chown(self.recording, self.target.uid, self.target.gid)
        try:
            begun = begin_recording(
                self.target, self.recording.resolve(), self._options, self._timeout
            )
        except BaseException:
            self.recording.unlink(missing_ok=True)
            raise
        self.held, self.waits = begun["held"], begun["waits"]
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> int:
        """End the recording once, and return 0; the program goes on."""
        with self._lock:
            if not self._stopped and not has_ended(self.target):
                end_recording(find_target(self.target.pid), self._timeout)
            self._stopped = True
        return 0


def detach(pid: int, timeout: float) -> str | None:
    """End the recording of process ``pid``, and return the file; ``None`` if there was none."""
    recording: str | None = end_recording(find_target(pid), timeout)["recording"]
    return recording


def watch(attached: Attached, seconds: float | None) -> None:
    """Print each deadlock when it is found, for so many seconds, until Ctrl-C, or the end."""
    until = None if seconds is None else time.monotonic() + seconds
    with _interruptible(), DeadlockWatch(attached.recording) as deadlocks:
        while not has_ended(attached.target) and (until is None or time.monotonic() < until):
            left = _INTERVAL if until is None else min(_INTERVAL, until - time.monotonic())
            time.sleep(max(0.0, left))
            for line in deadlocks.new_deadlocks(time.monotonic_ns()):
                print(f"asyncctx-trace: {line}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """End the block at Ctrl-C, and when this process is asked to end: the program goes on."""

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
