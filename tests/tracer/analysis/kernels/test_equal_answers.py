"""With numpy, every answer is to the last ns the same as without."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.support.random_tasks import MOVES, Move, RandomTasks
from analysis.support.simulation import Scene, Simulation, scenes
from asyncctx_trace.analysis.contention.costs import got_in
from asyncctx_trace.analysis.contention.wakeups import wakeups
from asyncctx_trace.analysis.findings import Thresholds
from asyncctx_trace.analysis.kernels.choice import Kernels, plain_kernels, vectorized_kernels
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.report import report
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import read
from recording.builders import recorder

pytest.importorskip("numpy")

EXAMPLES = settings(max_examples=120, deadline=None)
EVERYTHING = Thresholds(slow_cleanup=0, held_across_wait=0, starved_pool=0, still_waiting=0)


def columns(answer: object) -> dict[str, Any]:
    """Return the attributes of ``answer`` in a new dictionary.

    ``vars()`` returns the one that belongs to the object. CPython 3.13 before 3.13.3 empties the
    containers in it when the object itself is collected (python/cpython#130327).
    """
    return dict(vars(answer))


def answers(timeline: Timeline, now: int | None, kernels: Kernels) -> dict[str, Any]:
    """Return everything that a report and the app show."""
    snapshot = Snapshot(timeline, now, kernels=kernels)
    result = columns(report(snapshot, thresholds=EVERYTHING))
    del result["snapshot"]
    full_report = report(snapshot, thresholds=EVERYTHING)
    return {
        **result,
        "cleanups": full_report.cleanups,
        "orders": full_report.orders,
        "path": full_report.path,
        "steps": {r: list(snapshot.occupancy(r)) for r in snapshot.limited},
        "blocked": {r: snapshot.occupancy(r).blocked_times for r in snapshot.limited},
        "holds": {r: snapshot.occupancy(r).holds for r in snapshot.limited},
        "waits": snapshot.waits,
        "nestings": snapshot.nestings,
        "wakeups": dict(wakeups(snapshot)),
        "got in": {r: got_in(snapshot, r) for r in timeline.rows_of_resource},
    }


def assert_equal_answers(timeline: Timeline, now: int | None = None) -> None:
    """Ask everything with both implementations; numpy is used for any number of rows but none."""
    expected = answers(timeline, now, plain_kernels())

    assert answers(timeline, now, vectorized_kernels(few_rows=1)) == expected


WAKERS = st.lists(st.integers(0, 5), max_size=6)
"""The tasks that end waits for other things than resources; none: there are no such waits."""


@given(scene=scenes(), fine=st.booleans(), wakers=WAKERS)
@EXAMPLES
def test_answers_are_equal_at_the_end(scene: Scene, fine: bool, wakers: list[int]) -> None:
    """For programs that hang, that are cancelled, and that end normally."""
    assert_equal_answers(Simulation(scene, fine=fine, wakers=wakers).timeline())


@given(scene=scenes(), share=st.floats(0, 1), wakers=WAKERS)
@EXAMPLES
def test_answers_are_equal_in_the_middle_of_a_run(
    scene: Scene, share: float, wakers: list[int]
) -> None:
    """While many acquisitions are open."""
    timeline = Simulation(scene, wakers=wakers).timeline()

    assert_equal_answers(timeline, int(share * (timeline.end or 0)))


@given(moves=MOVES, capacities=st.tuples(st.integers(1, 3), st.integers(1, 3)))
@EXAMPLES
def test_answers_are_equal_for_any_recording(
    tmp_path_factory: pytest.TempPathFactory, moves: list[Move], capacities: tuple[int, int]
) -> None:
    """For tasks that enter within an enter, and exit what others entered, in any order."""
    path = tmp_path_factory.mktemp("tasks") / "run.actx"
    writer = recorder(path)
    for resource, capacity in enumerate(capacities, 1):
        writer.resource_defined(resource, "semaphore", f"semaphore {resource}", capacity)
    for task in range(1, 5):
        writer.task_defined(0, task, f"task {task}", "asyncio", task - 1, "MainThread")
    tasks = RandomTasks(writer)
    for move in moves:
        tasks.move(*move)

    assert_equal_answers(Timeline(read(path)))
