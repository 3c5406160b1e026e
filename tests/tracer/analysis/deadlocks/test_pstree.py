"""What CPython's own ``asyncio pstree`` sees in a program that hangs, the recording says too."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analysis.findings.child_programs import running, wait_for
from asyncctx_trace.analysis.deadlocks.blocked_tasks import blocked_tasks
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import Quiescent
from asyncctx_trace.native import extension
from asyncctx_trace.recording.reading.reader import read

if TYPE_CHECKING or sys.version_info < (3, 14):
    tools: Any = None
else:
    from asyncio import tools

pytestmark = [
    pytest.mark.skipif(tools is None, reason="new in CPython 3.14"),
    pytest.mark.skipif(
        extension("asyncctx_trace.instrument") is None, reason="the watchdog is native code"
    ),
]

PROGRAM = """
import asyncio, os, sys
from pathlib import Path

async def for_ever():
    await asyncio.Event().wait()

async def nested(depth):
    if depth:
        await nested(depth - 1)
    else:
        await asyncio.create_task(for_ever(), name="below nested coroutines")

async def of_group():
    async with asyncio.TaskGroup() as group:
        group.create_task(for_ever(), name="first of a group")
        group.create_task(nested(3), name="second of a group")

async def shielding():
    await asyncio.shield(asyncio.create_task(for_ever(), name="shielded"))

async def limited():
    async with asyncio.timeout(None):
        await asyncio.wait_for(asyncio.create_task(for_ever(), name="limited"), None)

async def main():
    Path("pid").write_text(str(os.getpid()))
    several = [asyncio.create_task(for_ever(), name=f"one of several {n}") for n in range(2)]
    waiting = asyncio.create_task(asyncio.wait(several), name="waits for several")
    gathered = asyncio.gather(
        asyncio.create_task(of_group(), name="has a group"),
        asyncio.create_task(shielding(), name="shields"),
        asyncio.create_task(limited(), name="limits"),
        waiting,
    )
    await gathered

os.chdir(sys.argv[0].rpartition("/")[0])
asyncio.run(main())
"""
Edges = set[tuple[str, str]]
"""Pairs of names: who waits, and for the end of which task."""


def test_who_waits_for_whom_is_what_the_interpreter_says(tmp_path: Path) -> None:
    """Edge by edge, at the moment at which nothing in the program can go on."""
    script, recording = tmp_path / "app.py", tmp_path / "app.actx"
    script.write_text(PROGRAM)
    with running(script, recording):
        wait_for(recording, Quiescent)
        theirs = edges_of_interpreter(int((tmp_path / "pid").read_text()))

    assert edges_of_recording(recording) == theirs
    assert len(theirs) == 11


def edges_of_interpreter(pid: int) -> Edges:
    """Return what the frames and callbacks of the process ``pid`` say."""
    try:
        tasks = [task for thread in tools.get_all_awaited_by(pid) for task in thread.awaited_by]
    except PermissionError:
        pytest.skip("the memory of another process cannot be read here")
    names = {task.task_id: task.task_name for task in tasks}
    return {
        (names[awaiter.task_name], task.task_name) for task in tasks for awaiter in task.awaited_by
    }


def edges_of_recording(path: Path) -> Edges:
    """Return what the waits say that had not ended at the end."""
    snapshot = Snapshot(Timeline(read(path)))
    return {
        (snapshot.task_name(blocked.task), snapshot.task_name(other))
        for blocked in blocked_tasks(snapshot).values()
        for other in blocked.on
    }
