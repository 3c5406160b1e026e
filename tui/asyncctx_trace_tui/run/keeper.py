"""Record the output of a program that was left running, in a process of its own.

``Program.leave_running`` starts it. It ends when the program has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path

from asyncctx_trace.recording.writing.retention import Retention
from asyncctx_trace.recording.writing.ring import LiveSet, RingRecorder
from asyncctx_trace.recording.writing.writer import TextWriter
from asyncctx_trace_tui.run.output_capture import OutputCapture

__all__ = ["main"]

_INTERVAL = 1.0
"""Seconds between two heartbeats in the recording."""
_GRACE = 0.3
"""Seconds to wait for the last output of a program that has ended."""


def main() -> None:
    """Record the pipes given by the first argument, as JSON, until the program has ended."""
    given = json.loads(sys.argv[1])
    recording, pid, keep = Path(given["recording"]), given["pid"], given["keep"]
    recorder = (
        TextWriter(recording, redact=given["redact"])
        if keep is None
        else RingRecorder(recording, Retention.parse(keep), LiveSet, redact=given["redact"])
    )
    output = OutputCapture(recorder, given["pipes"])
    print("recording", flush=True)  # the launcher waits for it, and for the end of this output
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    has_ended = _end_of(pid)
    while not has_ended(_INTERVAL):
        recorder.heartbeat(time.monotonic_ns())
    at = time.monotonic_ns()
    output.join(_GRACE)
    with contextlib.suppress(OSError):  # the disk is full
        recorder.process_ended(at, pid, None)
        recorder.process_ended(at, os.getpid(), None)


def _end_of(pid: int) -> Callable[[float], bool]:
    """Return a function that waits for so many seconds, and returns whether the process has ended.

    It is not a child of this one, so its exit code is not known.
    """
    if hasattr(os, "pidfd_open"):  # Linux; it does not mistake a zombie for a running process
        try:
            fd = os.pidfd_open(pid)
        except OSError:  # it has already ended
            return lambda _seconds: True
        return lambda seconds: bool(select.select([fd], [], [], seconds)[0])

    def has_ended(seconds: float) -> bool:
        time.sleep(seconds)
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # it has changed its user
            pass
        return False

    return has_ended


if __name__ == "__main__":
    main()
