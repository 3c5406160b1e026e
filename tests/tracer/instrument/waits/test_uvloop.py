"""On uvloop, whose loop is not written in Python, a wait ends when its task is woken, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asyncctx_trace.instrument.patches import uvloop_wakeups
from asyncctx_trace.model.events import WaitEnded, WaitStarted
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace.recording.reading.reader import read
from instrument.programs import both_ways

uvloop: Any = pytest.importorskip("uvloop")

PROGRAM = """
import asyncio, uvloop

async def main():
    event = asyncio.Event()
    async def setter():
        await asyncio.sleep(0.001)
        event.set()
    task = asyncio.create_task(setter())
    await event.wait()
    await task
    print(asyncio.get_running_loop().call_soon.__name__)

uvloop.run(main())
"""


def test_a_wait_ends_when_its_task_is_woken_and_says_by_whom(tmp_path: Path) -> None:
    """The same program runs untraced, and says the same."""
    (tmp_path / "app.py").write_text(PROGRAM)
    both_ways(tmp_path, "app.py")

    events = list(read(tmp_path / "run.actx"))
    started = {e.wait: (e.task, e.wait_kind) for e in events if isinstance(e, WaitStarted)}
    ended = [e for e in events if isinstance(e, WaitEnded)]
    kinds = [started[e.wait][1] for e in ended]
    tasks = {kind: task for task, kind in started.values()}
    assert kinds == [WaitKind.SLEEP, WaitKind.EVENT]
    assert [e.outcome for e in ended] == [Outcome.OK, Outcome.OK]
    assert [e.woken_by for e in ended] == [None, tasks[WaitKind.SLEEP]]


def test_the_override_can_be_removed() -> None:
    """``uvloop.Loop`` is then as it was."""
    before = dict(vars(uvloop.Loop))
    uvloop_wakeups.watch()
    assert "call_soon" in vars(uvloop.Loop)

    uvloop_wakeups.restore()

    assert dict(vars(uvloop.Loop)) == before
