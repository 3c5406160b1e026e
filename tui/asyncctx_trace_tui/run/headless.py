"""A traced program without the app: it owns the terminal, and deadlocks are told while it hangs."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress

from asyncctx_trace.model.text import plain
from asyncctx_trace_tui.reports.deadlocks import DeadlockWatch
from asyncctx_trace_tui.run.launcher import Program

__all__ = ["run_headless"]

_LOOK = 0.5
"""Seconds between two looks at what the program waits for."""


def run_headless(program: Program, *, tell: bool) -> int:
    """Wait for the end of ``program``; its exit code, a signal as ``-n``.

    With ``tell`` a line on stderr says of each deadlock, certain or possible, as it happens.
    """
    with program.forwarding_signals():
        if not tell:
            return program.wait()
        try:
            return _watched(program)
        except Exception as error:  # ours, and the program goes on
            words = f"deadlocks are no longer watched: {type(error).__name__}: {plain(str(error))}"
            with suppress(OSError):
                print(f"asyncctx-trace: {words}", file=sys.stderr, flush=True)
            return program.wait()


def _watched(program: Program) -> int:
    """Wait for the end of ``program``; say each deadlock as it happens."""
    with DeadlockWatch(program.recording) as watch:
        while True:
            try:
                return program.wait(_LOOK)
            except subprocess.TimeoutExpired:
                for line in watch.new_deadlocks(time.monotonic_ns()):
                    print(f"asyncctx-trace: {line}", file=sys.stderr, flush=True)
