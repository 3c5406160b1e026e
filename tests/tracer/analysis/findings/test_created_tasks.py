"""A semaphore that bounds the creation of tasks bounds nothing, whatever the tasks wait for."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.findings.child_programs import findings_of

CREATED = """
    limit = asyncio.Semaphore(2)
    async def fetch(): await asyncio.sleep(0.02)
    async def limited():
        async with limit: await fetch()
    tasks = []
    {loop}
    await asyncio.gather(*tasks)
    """


def test_a_limit_around_the_creation_of_tasks_is_told_of(tmp_path: Path) -> None:
    """The tasks acquire nothing themselves; they only wait for a timer."""
    loop = """for _ in range(8):
        async with limit: tasks.append(asyncio.create_task(fetch()))"""

    (found,) = findings_of(tmp_path, CREATED.format(loop=loop))

    assert (found.kind, found.certainty) == ("ineffective-limit", "possible")
    assert "up to 8 of them ran at once, though it lets in 2" in found.summary


@pytest.mark.parametrize(
    "loop",
    [
        "tasks = [asyncio.create_task(limited()) for _ in range(8)]",
        """for _ in range(8):
        async with limit: await fetch()""",
    ],
    ids=["in the tasks", "around the work"],
)
def test_a_limit_around_the_work_is_left_alone(tmp_path: Path, loop: str) -> None:
    """The tasks acquire it, or nobody creates any."""
    assert findings_of(tmp_path, CREATED.format(loop=loop)) == []
