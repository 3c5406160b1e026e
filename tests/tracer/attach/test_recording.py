"""Attaching records what goes on from now on, and what was going on; detaching undoes it all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from asyncctx_trace.analysis.findings import find
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.attach.commands import begin_recording, end_recording
from asyncctx_trace.attach.programs import Program, list_programs
from asyncctx_trace.attach.target import find_target
from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.recording.reading.reader import read
from asyncctx_trace.recording.writing.segments import create
from attach.running_programs import REMOTE, TIMEOUT, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="attaching needs /proc")

SERVICE = """
import asyncio, gc, sys

lock, rounds = asyncio.Lock(), 0

async def work():
    global rounds
    while True:
        async with lock:
            await asyncio.sleep(0)
        rounds += 1
        await asyncio.sleep(0)

async def group():
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.Event().wait())

async def commands():
    loop = asyncio.get_running_loop()
    for name in "one", "two":
        asyncio.create_task(work(), name=name)
    keep = asyncio.create_task(group(), name="group")
    print("begun", flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        before = rounds
        while rounds < before + 50:
            await asyncio.sleep(0)
        changed = [
            f.__qualname__ for f in gc.get_objects() if type(f).__name__ == "function"
            and f.__code__.co_consts and type(f.__code__.co_consts[-1]).__name__ == "Original"
        ]
        print(len(changed), flush=True)

asyncio.run(commands())
"""


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def changed(program: subprocess.Popen[str]) -> int:
    """Wait for fifty rounds of the service; returns how many functions are not its own."""
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write("\n")
    program.stdin.flush()
    return int(program.stdout.readline())


def test_a_loop_in_flight_is_followed_and_detaching_restores_all(tmp_path: Path) -> None:
    """Twice: what was undone can be done again, and a body that is open is not a leak."""
    timelines = []
    with running(tmp_path, SERVICE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        assert changed(program) == 0
        for number in range(2):
            recording = tmp_path / f"{number}.actx"
            create(recording)
            begun = begin_recording(find_target(program.pid), recording, {}, TIMEOUT)
            assert begun["held"] >= 1
            assert changed(program) > 0
            assert state_of(program.pid) == Program(find_target(program.pid), recording)
            with pytest.raises(AsyncctxTraceError, match="recorded already"):
                begin_recording(find_target(program.pid), recording, {}, TIMEOUT)
            ended = end_recording(find_target(program.pid), TIMEOUT)
            assert ended == {"recording": str(recording)}
            assert changed(program) == 0
            timelines.append(Timeline(read(recording)))
        expected = "attachable" if REMOTE else "listening"
        assert state_of(program.pid).state == expected

    for timeline in timelines:
        [lock] = [r.resource for r in timeline.resources.values() if r.name == "lock"]
        tasks = [timeline.tasks[timeline.task[row]].name for row in timeline.rows_of_resource[lock]]
        assert tasks.count("one") + tasks.count("two") > 40
        assert {r.name for r in timeline.resources.values()} >= {"lock", "TaskGroup"}
        assert [(f.kind, f.summary) for f in find(timeline) if f.certainty == "certain"] == []


def state_of(pid: int) -> Program:
    return next(each for each in list_programs() if each.target.pid == pid)


def test_a_deadlock_that_happened_before_is_in_the_recording(tmp_path: Path) -> None:
    program_text = """
    import asyncio

    async def transfer(first, second):
        async with first:
            await asyncio.sleep(0.01)
            async with second:
                pass

    async def main():
        a, b = asyncio.Lock(), asyncio.Lock()
        tasks = [
            asyncio.create_task(transfer(a, b), name="there"),
            asyncio.create_task(transfer(b, a), name="back"),
        ]
        await asyncio.sleep(0.1)
        print("begun", flush=True)
        await asyncio.wait(tasks)

    asyncio.run(main())
    """
    recording = tmp_path / "late.actx"
    create(recording)
    with running(tmp_path, program_text) as program:
        assert program.stdout is not None
        program.stdout.readline()
        begun = begin_recording(find_target(program.pid), recording, {}, TIMEOUT)

    assert begun["held"] == 2
    assert begun["waits"] >= 2  # and that of the main task, if it has got there
    timeline = Timeline(read(recording))
    [deadlock] = [each for each in find(timeline) if each.kind == "deadlock"]
    assert "there" in deadlock.summary
    assert "back" in deadlock.summary
