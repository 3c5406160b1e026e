"""A traced program without the app: it owns the terminal, and deadlocks are told while it hangs."""

from __future__ import annotations

import subprocess
import sys
import time

from asyncctx_trace_tui.launcher import Program
from asyncctx_trace_tui.reports.deadlocks import DeadlockWatch

__all__ = ["see_it_through"]

_LOOK = 0.5
"""Seconds between two looks at what the program waits for."""


def see_it_through(program: Program, *, tell: bool) -> int:
    """Wait for the end of ``program``; its exit code, a signal as ``-n``.

    With ``tell`` a line on stderr says of each deadlock, certain or possible, as it happens.
    """
    with program.passing_signals_on():
        if not tell:
            return program.wait()
        with DeadlockWatch(program.recording) as watch:
            while True:
                try:
                    return program.wait(_LOOK)
                except subprocess.TimeoutExpired:
                    for line in watch.new_deadlocks(time.monotonic_ns()):
                        print(f"asyncctx-trace: {line}", file=sys.stderr, flush=True)
