"""Runs a program in a process of its own, recorded, and finds what there is to find."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from asyncctx_trace.analysis.findings import Finding, Thresholds, find
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import Event, ProcessEnded
from asyncctx_trace.recording.reading.reader import Recording, read

TIMEOUT = 30
"""Seconds until a program that shows nothing counts as failed."""


@contextmanager
def running(script: Path, recording: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``script``, recorded, and kill it at the end."""
    command = [sys.executable, "-m", "asyncctx_trace_tui", "run", "--headless", "-q", "-o"]
    with subprocess.Popen(
        [*command, str(recording), str(script)], stdin=subprocess.DEVNULL, process_group=0
    ) as program:
        try:
            yield program
        finally:
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGKILL)


def wait_for(recording: Path, wanted: type[Event]) -> None:
    """Return when ``recording`` has an event of this type, or the program has ended."""
    deadline = time.monotonic() + TIMEOUT
    while not recording.exists() or not recording.stat().st_size:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with Recording(recording) as growing:
        while time.monotonic() < deadline:
            events = list(growing.poll())
            if any(isinstance(event, wanted) for event in events):
                return
            if any(
                isinstance(event, ProcessEnded) and event.exit_code is not None for event in events
            ):
                return
            time.sleep(0.02)
    pytest.fail(f"no {wanted.__name__} within {TIMEOUT} s")


def findings_of(
    folder: Path,
    body: str,
    wanted: type[Event] = ProcessEnded,
    thresholds: Thresholds | None = None,
) -> list[Finding]:
    """What is found in ``async def main()`` with this body, killed when it hangs."""
    script, recording = folder / "app.py", folder / "app.actx"
    lines = "".join(f"    {line}\n" for line in dedent(body).strip().splitlines())
    script.write_text(
        f"import asyncio, threading, time\n\nasync def main():\n{lines}\nasyncio.run(main())\n"
    )
    with running(script, recording):
        wait_for(recording, wanted)
    return find(Timeline(read(recording)), thresholds=thresholds)
