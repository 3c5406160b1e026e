"""A resource is named by what the source enters."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncctx_trace.model.events import EnterStarted, ResourceDefined
from asyncctx_trace.recording.reading.reader import read
from instrument.programs import both_ways

SCRIPT = """\
import asyncio

class M:
    async def __aenter__(self): pass
    async def __aexit__(self, *exc): pass

async def main():
    a, b = asyncio.Lock(), asyncio.Lock()
    try:
        async with a, b: pass
        async with asyncio.Lock(), asyncio.Lock(): pass
        async with M(), M() as m, a: pass
        return
    finally:
        async with a, b: pass

asyncio.run(main())
"""


@pytest.mark.parametrize("without", ["", "1"], ids=["with columns", "without columns"])
def test_two_resources_made_on_one_line_have_two_names(without: str, tmp_path: Path) -> None:
    """And one of them has one name, wherever the compiler has copied the statement to."""
    (tmp_path / "script.py").write_text(SCRIPT)
    both_ways(tmp_path, "script.py", PYTHONNODEBUGRANGES=without)
    events = read(tmp_path / "run.actx")
    names = {event.resource: event.name for event in events if isinstance(event, ResourceDefined)}
    entered = [event.resource for event in events if isinstance(event, EnterStarted)]

    assert [names[resource] for resource in entered] == [
        *("a", "b"),
        *("asyncio.Lock()", "asyncio.Lock() #2"),
        *("M()", "M() #2", "a"),
        *("a", "b"),
    ]
    assert len(set(entered)) == 6
