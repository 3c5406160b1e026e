"""Tasks are recorded with the coroutine that they run."""

from __future__ import annotations

from pathlib import Path

from asyncctx_trace.model.events import TaskDefined
from asyncctx_trace.recording.reading.reader import read
from instrument.adapters.recorded import recorded

PROGRAM = """
    import asyncio

    lock = asyncio.Lock()

    class Shop:
        async def serve(self):
            async with lock:
                await asyncio.sleep(0)

    async def wait():
        async with lock:
            pass

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(Shop().serve())
            group.create_task(wait(), name="named")

    asyncio.run(main())
"""


def coroutines_of(path: Path) -> dict[str, str]:
    """Return the coroutine of each recorded task by the task's name."""
    return {event.name: event.coroutine for event in read(path) if isinstance(event, TaskDefined)}


def test_a_task_has_the_qualified_name_of_its_coroutine(tmp_path: Path) -> None:
    recorded(tmp_path, PROGRAM)

    assert coroutines_of(tmp_path / "run.actx") == {
        "Task-1": "main",
        "Task-2": "Shop.serve",
        "named": "wait",
    }


def test_code_outside_any_task_has_no_coroutine(tmp_path: Path) -> None:
    """It is a pseudo-task of its thread."""
    recorded(
        tmp_path,
        """
        import threading

        lock = threading.Lock()

        async def hold():
            async with Held():
                pass

        class Held:
            async def __aenter__(self): pass
            async def __aexit__(self, *exc): pass

        try:
            hold().send(None)
        except StopIteration:
            pass
        """,
    )

    assert coroutines_of(tmp_path / "run.actx") == {"MainThread (no task)": ""}
