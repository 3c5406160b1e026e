"""The critical path runs through whatever tasks wait for, to the task that ended each wait."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.support.waiting_programs import compiled, timeline_of
from asyncctx_trace.analysis.contention.critical_path import critical_path
from asyncctx_trace.analysis.kernels.choice import plain_kernels, vectorized_kernels
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.model.waits import WaitKind

MS = 1_000_000
FACT = 1_000
"""ns that each event takes on the clock of these programs."""
EXAMPLES = settings(max_examples=60, deadline=None)

SOURCE = """
async def node(graph, number):
    await graph.started.wait()
    for kind, before in graph.needs[number]:
        if kind == "task":
            await graph.tasks[before]
        elif kind == "gather":
            await asyncio.gather(graph.tasks[before], graph.tasks[0])
        elif kind == "wait":
            await asyncio.wait([graph.tasks[before]])
        elif kind == "event":
            await graph.events[before].wait()
        elif kind == "queue":
            await graph.queues[before, number].get()
        elif kind == "full":
            await graph.full[before, number].put(None)
        elif kind == "condition":
            async with graph.conditions[before]:
                while not graph.events[before].is_set():
                    await graph.conditions[before].wait()
    await asyncio.sleep(graph.lasts[number] / 1000)
    graph.events[number].set()
    async with graph.conditions[number]:
        graph.conditions[number].notify_all()
    for (before, _), queue in graph.queues.items():
        if before == number:
            queue.put_nowait(None)
    for (before, _), queue in graph.full.items():
        if before == number:
            queue.get_nowait()

async def main(graph):
    graph.started = asyncio.Event()
    graph.tasks += [asyncio.create_task(node(graph, n)) for n in range(len(graph.needs))]
    graph.started.set()
    await asyncio.gather(*graph.tasks)
"""
PROGRAM: dict[str, Any] = {}
KINDS = ("task", "gather", "wait", "event", "queue", "full", "condition")
Needs: TypeAlias = list[tuple[str, int]]


@pytest.fixture(scope="module", autouse=True)
def program() -> None:
    """Compile it, not earlier: other tests turn all recording off."""
    PROGRAM.update(compiled(SOURCE))


class Graph:
    """Tasks that each wait for some of those before, and then take their time."""

    def __init__(self, lasts: list[int], needs: list[Needs]) -> None:
        self.lasts, self.needs = lasts, needs
        self.tasks: list[Any] = []

    def __repr__(self) -> str:
        return f"Graph({self.lasts}, {self.needs})"

    async def run(self) -> None:
        """Run it; what it waits for belongs to the loop that runs."""
        many = range(len(self.needs))
        self.events = [asyncio.Event() for _ in many]
        self.conditions = [asyncio.Condition() for _ in many]
        self.queues: dict[tuple[int, int], asyncio.Queue[None]] = {
            (b, n): asyncio.Queue() for n in many for k, b in self.needs[n] if k == "queue"
        }
        self.full: dict[tuple[int, int], asyncio.Queue[None]] = {
            (b, n): asyncio.Queue(1) for n in many for k, b in self.needs[n] if k == "full"
        }
        for queue in self.full.values():
            queue.put_nowait(None)
        await PROGRAM["main"](self)

    def makespan(self) -> int:
        """When the last task ends, in ms."""
        ends: list[int] = []
        for lasts, needs in zip(self.lasts, self.needs, strict=True):
            begins = [ends[before] for _, before in needs]
            begins += [ends[0] for kind, _ in needs if kind == "gather"]
            ends.append(max(begins, default=0) + lasts)
        return max(ends)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Up to eight tasks."""
    lasts = draw(st.lists(st.integers(1, 30), min_size=1, max_size=8))
    needs: list[Needs] = [[]]
    for number in range(1, len(lasts)):
        one = st.tuples(st.sampled_from(KINDS), st.integers(0, number - 1))
        needs.append(draw(st.lists(one, max_size=3, unique_by=lambda each: each[1])))
    return Graph(lasts, needs)


@given(graphs())
@EXAMPLES
def test_the_path_through_a_task_graph_is_as_long_as_the_run_and_never_waits_for_a_task(
    tmp_path_factory: pytest.TempPathFactory, graph: Graph
) -> None:
    """It is without gaps, and all of it is time in which a task on it did its work."""
    timeline = timeline_of(tmp_path_factory.mktemp("graph") / "run.actx", graph.run)
    path = critical_path(Snapshot(timeline))
    ticks = len(timeline.facts) * FACT
    worked = sum(
        step.end - step.start
        for step in path.steps
        if step.wait is not None and timeline.waits.kind[step.wait] == WaitKind.SLEEP
    )

    assert 0 <= path.length - graph.makespan() * MS <= ticks
    assert 0 <= path.length - worked <= ticks
    assert all(
        one.end == other.start for one, other in zip(path.steps, path.steps[1:], strict=False)
    )


@given(graphs())
@EXAMPLES
def test_the_path_is_the_same_with_numpy(
    tmp_path_factory: pytest.TempPathFactory, graph: Graph
) -> None:
    """Step by step."""
    pytest.importorskip("numpy")
    timeline = timeline_of(tmp_path_factory.mktemp("graph") / "run.actx", graph.run)

    assert critical_path(Snapshot(timeline, kernels=vectorized_kernels(1))) == critical_path(
        Snapshot(timeline, kernels=plain_kernels())
    )
