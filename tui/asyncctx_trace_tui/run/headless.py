"""Run a traced program without the app: it uses the terminal, and deadlocks are printed."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress

from asyncctx_trace.analysis.deadlocks.live import DeadlockWatch
from asyncctx_trace.model.text import plain
from asyncctx_trace_tui.run.launcher import Program

__all__ = ["run_headless"]

_INTERVAL = 0.5
"""Seconds between two checks for deadlocks."""


def run_headless(program: Program, *, report_deadlocks: bool) -> int:
    """Wait until ``program`` ends, and return its exit code: a signal as ``-n``.

    With ``report_deadlocks``, each deadlock, certain or possible, is printed to stderr when it
    happens.
    """
    with program.forwarding_signals():
        if not report_deadlocks:
            return program.wait()
        try:
            return _watched(program)
        except Exception as error:  # an error of ours must not stop the program
            message = f"deadlock detection stopped: {type(error).__name__}: {plain(str(error))}"
            with suppress(OSError):
                print(f"asyncctx-trace: {message}", file=sys.stderr, flush=True)
            return program.wait()


def _watched(program: Program) -> int:
    """Wait until ``program`` ends, and print each deadlock when it happens."""
    with DeadlockWatch(program.recording) as watch:
        while True:
            try:
                return program.wait(_INTERVAL)
            except subprocess.TimeoutExpired:
                for line in watch.new_deadlocks(time.monotonic_ns()):
                    print(f"asyncctx-trace: {line}", file=sys.stderr, flush=True)
