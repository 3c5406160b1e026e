"""One run of a program: recorded, steered by an order, ended when it hangs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncctx_trace.analysis.deadlocks.live import DeadlockWatch
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import read
from asyncctx_trace.recording.writing.segments import create
from asyncctx_trace.recording.writing.writer import TextWriter
from asyncctx_trace.runtime.launch import environment
from asyncctx_trace.steering.order import Rule, text

__all__ = ["Program", "Trial", "run_trial", "timeline_of"]

_INTERVAL = 0.1
"""Seconds between two looks at a running program."""
_GRACE = 2.0
"""Seconds that a program that hangs gets to end after Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that can be run again."""

    arguments: tuple[str, ...]
    """The arguments of ``python``."""
    folder: Path
    options: dict[str, Any] = field(default_factory=dict)
    """See :func:`asyncctx_trace.runtime.launch.environment`."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one run."""

    recording: Path
    exit_code: int | None
    """A signal as ``-n``; ``None`` if the program was ended because it hung."""
    deadlocked: bool
    """Whether it was ended because of a deadlock, and not because its time was over."""
    seconds: float


def run_trial(
    program: Program,
    recording: Path,
    rules: Sequence[Rule] = (),
    *,
    limit: float,
    comments: Sequence[str] = (),
) -> Trial:
    """Run ``program`` once; whatever it has started is ended when this returns.

    Args:
        program: What to run; its output is discarded.
        recording: The file to record to; it is replaced. The order is written beside it.
        rules: The order; empty: the program is not steered.
        limit: Seconds after which the program is ended.
        comments: Lines for the order file.

    Raises:
        OSError: If the program cannot be started, or the recording cannot be written.
    """
    create(recording, overwrite=True)
    options = {"captured": False, **program.options}
    if rules:
        order = recording.with_suffix(".order")
        order.write_text(text(rules, *comments))
        options["order"] = str(order.resolve())
    notes = TextWriter(recording)
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *program.arguments],
        cwd=program.folder,
        env=environment(recording, options),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadlocked = _watch(process, recording, began + limit)
        hung = process.poll() is None
    finally:
        _end(process, notes)
    with contextlib.suppress(OSError):  # the disk is full
        notes.process_ended(time.monotonic_ns(), process.pid, process.returncode)
        notes.process_ended(time.monotonic_ns(), os.getpid(), None)
    notes.close()
    code = None if hung else process.returncode
    return Trial(recording, code, deadlocked, time.monotonic() - began)


def timeline_of(recording: Path) -> Timeline:
    """Return what ``recording`` contains; raises RecordingError or OSError."""
    return Timeline(read(recording))


def _watch(process: subprocess.Popen[bytes], recording: Path, deadline: float) -> bool:
    """Wait until ``process`` ends, deadlocks for certain, or its time is over."""
    with DeadlockWatch(recording) as watch:
        while time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_INTERVAL)
                return False
            lines = watch.new_deadlocks(time.monotonic_ns())
            if any(line.startswith(("deadlock", "still waiting")) for line in lines):
                return True
    return False


def _end(process: subprocess.Popen[bytes], notes: TextWriter) -> None:
    """End ``process`` and all that it has started, and note that it was ended."""
    if process.poll() is None:
        # So that it can stop what it has started; then nothing is asked any more.
        with contextlib.suppress(OSError):
            notes.interrupted(time.monotonic_ns(), process.pid, "SIGINT")
        _signal(process, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
