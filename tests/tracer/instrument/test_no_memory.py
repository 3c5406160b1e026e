"""A hook that finds no memory does not fail the program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from asyncctx_trace import native
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import read

pytest.importorskip("_testcapi")

PROGRAM = dedent(
    """
    import _testcapi, asyncio, json, sys
    class Manager:
        async def __aenter__(self):
            pass
        async def __aexit__(self, *error):
            pass
    async def succeed(manager):
        async with manager:
            pass
    async def fail(manager):
        async with manager:
            raise KeyError
    async def main():
        manager, reached = Manager(), {"succeed": 0, "fail": 0}
        await succeed(manager)
        for body in succeed, fail:
            for allocation in range(150):
                try:
                    _testcapi.set_nomemory(allocation, allocation + 1)
                    try:
                        await body(manager)
                    finally:
                        _testcapi.remove_mem_hooks()
                except MemoryError:
                    reached[body.__name__] += 1
                except KeyError:
                    pass
        for _ in range(10):
            await succeed(manager)
        print(json.dumps(reached))
    """
)
RECORDED = "from asyncctx_trace import install, record\ninstall()\n"


def errors(folder: Path, *, recorded: bool) -> dict[str, int]:
    """Return how many MemoryErrors reach the program when each allocation fails in turn."""
    (folder / "body.py").write_text(PROGRAM)
    start = "import asyncio, sys\nfrom body import main\n"
    program = folder / "program.py"
    if recorded:
        path = folder / "x.actx"
        start = RECORDED + start + f"with record({str(path)!r}):\n    "
    program.write_text(start + "asyncio.run(main())\n")
    done = subprocess.run([sys.executable, program], capture_output=True, check=True, text=True)
    result: dict[str, int] = json.loads(done.stdout)
    return result


@pytest.mark.skipif(native.PURE in os.environ, reason="to call a Python function takes memory")
def test_a_hook_that_finds_no_memory_lets_the_program_go_on(tmp_path: Path) -> None:
    """Whichever allocation fails: the event is missed and counted.

    Two more allocations than without the tracer are the interpreter's own, as it calls the bound
    ``__aexit__`` through C.
    """
    bare = errors(tmp_path, recorded=False)
    recorded = errors(tmp_path, recorded=True)
    timeline = Timeline(read(tmp_path / "x.actx"))

    assert sum(recorded.values()) <= sum(bare.values()) + 2
    assert sum(loss.acquisitions for loss in timeline.dropped) > 0
    assert all(timeline.exit_ended[-10:])
