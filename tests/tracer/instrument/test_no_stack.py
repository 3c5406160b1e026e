"""A hook at the end of the program's stack does not fail the program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from asyncctx_trace import native
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import read

PROGRAM = dedent(
    """
    import asyncio, json, sys

    class Manager:
        open = 0
        async def __aenter__(self):
            Manager.open += 1
        async def __aexit__(self, *error):
            Manager.open -= 1

    async def succeed():
        async with Manager():
            pass

    async def fail():
        async with Manager():
            raise KeyError

    async def call():
        lock = asyncio.Lock()
        await lock.acquire()
        lock.release()

    async def by_hand():
        manager = Manager()
        await manager.__aenter__()
        await manager.__aexit__(None, None, None)

    async def suspend():
        await asyncio.sleep(0)
        await asyncio.get_running_loop().create_task(asyncio.sleep(0))

    def at_depth(frames, coroutine):
        if frames:
            return at_depth(frames - 1, coroutine)
        try:
            coroutine.send(None)
        except (StopIteration, KeyError):
            return True

    async def deep(frames, function):
        if frames:
            await deep(frames - 1, function)
        else:
            await function()

    async def main():
        limit, reached = sys.getrecursionlimit(), {}
        for function in succeed, fail, call, by_hand:
            done = []
            for frames in range(limit - 150, limit):
                coroutine = function()
                try:
                    done += [at_depth(frames, coroutine)]
                except RecursionError:
                    pass
                coroutine.close()
            reached[function.__name__] = len(done)
        for function in suspend, succeed:
            done = []
            for frames in range(limit - 60, limit):
                try:
                    await deep(frames, function)
                    done += [frames]
                except RecursionError:
                    pass
            reached["deep " + function.__name__] = len(done)
        for _ in range(10):
            await succeed()
        print(json.dumps({"reached": reached, "open": Manager.open}))
    """
)
RECORDED = "from asyncctx_trace import install, record\ninstall()\n"


FRAMES = 3
"""How many frames our functions take around a method of a library where they are in Python."""


def outcome(folder: Path, *, recorded: bool) -> Any:
    """Return how often each function succeeds, and how many managers are left open."""
    (folder / "body.py").write_text(PROGRAM)
    start = "import asyncio, sys\nfrom body import main\n"
    program = folder / "program.py"
    if recorded:
        start = RECORDED + start + f"with record({str(folder / 'x.actx')!r}):\n    "
    else:
        start += "if True:\n    "
    program.write_text(start + "asyncio.run(main())\n")
    done = subprocess.run([sys.executable, program], capture_output=True, check=True, text=True)
    assert "asyncctx-trace" not in done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(native.PURE in os.environ, reason="a function in Python takes a frame")
def test_no_depth_at_which_the_program_works_fails_where_it_is_recorded(tmp_path: Path) -> None:
    """Whichever call of ours finds the stack full: the event is missed and counted."""
    bare = outcome(tmp_path, recorded=False)
    recorded = outcome(tmp_path, recorded=True)
    timeline = Timeline(read(tmp_path / "x.actx"))

    assert recorded == bare
    assert sum(loss.acquisitions for loss in timeline.dropped) > 0
    assert all(timeline.exit_ended[-10:])


def test_only_methods_that_are_replaced_need_more_of_the_stack_without_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ``async with`` does not, nor does what the program awaits."""
    monkeypatch.setenv(native.PURE, "1")
    bare = outcome(tmp_path, recorded=False)
    recorded = outcome(tmp_path, recorded=True)

    for name, reached in bare["reached"].items():
        fewer = FRAMES if name in {"call", "by_hand"} else 0
        assert reached - fewer <= recorded["reached"][name] <= reached
    assert recorded["open"] == bare["open"] == 0


@pytest.mark.parametrize("pure", ["", "1"], ids=["native", "pure"])
def test_what_is_recorded_at_the_end_of_the_stack_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pure: str
) -> None:
    """An acquisition whose resource, task or site cannot be defined is missed as a whole."""
    monkeypatch.setenv(native.PURE, pure)
    outcome(tmp_path, recorded=True)
    timeline = Timeline(read(tmp_path / "x.actx"))

    assert len(timeline) > 10
    assert set(timeline.resource) <= timeline.resources.keys()
    assert set(timeline.task) <= timeline.tasks.keys()
    assert set(timeline.site) <= timeline.sites.keys()


def test_every_acquisition_at_the_end_of_the_stack_is_recorded_or_counted(
    tmp_path: Path,
) -> None:
    """Also where the stack has no frame left to call what counts it."""
    result = outcome(tmp_path, recorded=True)
    timeline = Timeline(read(tmp_path / "x.actx"))

    # Waits are no acquisitions.
    done = sum(result["reached"].values()) - result["reached"]["deep suspend"] + 10
    counted = sum(loss.acquisitions for loss in timeline.dropped)
    assert len(timeline) + counted >= done
