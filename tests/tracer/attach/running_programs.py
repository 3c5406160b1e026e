"""Programs that run in a process of their own, and can be attached to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

from asyncctx_trace.attach.commands import read_remote_state
from asyncctx_trace.attach.picture import Picture
from asyncctx_trace.attach.target import find_target
from asyncctx_trace.attach.verdict import Ring, rings_of

TIMEOUT = 60
"""Seconds until a program that shows nothing counts as failed."""
REMOTE = sys.version_info >= (3, 14)
"""Whether this interpreter can be attached to without a door."""
DOOR = "" if REMOTE else "import asyncctx_trace; asyncctx_trace.listen()\n"
"""What a program begins with where it can not."""


@contextmanager
def running(folder: Path, source: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``source`` as ``app.py``, and kill it at the end."""
    script = folder / "app.py"
    # In one line more or less, so that a test may name lines.
    script.write_text((DOOR or "\n") + dedent(source).strip("\n") + "\n")
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder)},
    ) as program:
        try:
            yield program
        finally:
            program.kill()


def picture_of(pid: int) -> tuple[Picture, list[Ring]]:
    """Look at a process once."""
    picture = Picture(read_remote_state(find_target(pid), TIMEOUT))
    return picture, rings_of(picture, pid)


def hung(program: subprocess.Popen[str]) -> tuple[Picture, list[Ring]]:
    """Look at a process until a deadlock is found."""
    deadline = time.monotonic() + TIMEOUT
    assert program.stdout is not None
    program.stdout.readline()
    while time.monotonic() < deadline:
        picture, rings = picture_of(program.pid)
        if rings:
            return picture, rings
    raise AssertionError("no deadlock was found")


def ring_lines(picture: Picture, ring: Ring) -> dict[str, tuple[str, set[tuple[str, int]]]]:
    """Return member -> where it waits, and who holds that since which line."""
    found = {}
    for key in ring.members:
        wait = picture.waits[key]
        held = {
            (picture.workers[hold.worker].name, hold.line.line)
            for hold in picture.holds
            if hold.resource == wait.resource
        }
        found[picture.workers[key].name] = (wait.line.short, held)
    return found
