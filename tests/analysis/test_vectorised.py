"""With numpy every answer is to the last ns what it is without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.simulation import Scene, Simulation, scenes
from analysis.timeline.test_numpy_ingest import MOVES, Life, Move
from asyncctx_trace.analysis import kernels
from asyncctx_trace.analysis.contention.costs import got_in
from asyncctx_trace.analysis.contention.wakeups import wakeups
from asyncctx_trace.analysis.findings import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.report import report
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reader import read
from recording.builders import recorder

pytest.importorskip("numpy")

EXAMPLES = settings(max_examples=120, deadline=None)
EVERYTHING = Thresholds(slow_cleanup=0, held_across_wait=0, starved_pool=0, still_waiting=0)


@contextmanager
def numpy_from(acquisitions: float) -> Iterator[None]:
    """Let numpy do the work of timelines of so many acquisitions."""
    before = kernels.MANY, kernels.FEW
    kernels.MANY = kernels.FEW = acquisitions  # type: ignore[assignment]  # or infinity
    try:
        yield
    finally:
        kernels.MANY, kernels.FEW = before


def columns(answer: object) -> dict[str, Any]:
    """The attributes of ``answer``, in a dictionary of their own.

    ``vars()`` gives the one that belongs to the object. CPython 3.13 before 3.13.3 empties the
    containers in it when the object itself is collected (python/cpython#130327).
    """
    return dict(vars(answer))


def answers(timeline: Timeline, now: int | None) -> dict[str, Any]:
    """All that a report says, and what only the app asks for."""
    snapshot = Snapshot(timeline, now)
    told = columns(report(snapshot, thresholds=EVERYTHING))
    del told["snapshot"]
    return {
        **told,
        "steps": {r: list(snapshot.occupancy(r)) for r in snapshot.limited},
        "met": {r: snapshot.occupancy(r).met for r in snapshot.limited},
        "holds": {r: columns(snapshot.occupancy(r).holds) for r in snapshot.limited},
        "waits": columns(snapshot.waits),
        "wakeups": wakeups(snapshot),
        "got in": {r: got_in(timeline, r) for r in timeline.rows_of_resource},
    }


@given(scene=scenes(), fine=st.booleans())
@EXAMPLES
def test_every_answer_is_the_same(scene: Scene, fine: bool) -> None:
    """Of programs that hang, that are cancelled, and that came to a good end."""
    timeline = Simulation(scene, fine=fine).timeline()

    with numpy_from(float("inf")):
        plain = answers(timeline, None)
    with numpy_from(1):
        assert answers(timeline, None) == plain


@given(scene=scenes(), share=st.floats(0, 1))
@EXAMPLES
def test_so_it_is_in_the_middle_of_a_run(scene: Scene, share: float) -> None:
    """Where much is still going on."""
    timeline = Simulation(scene).timeline()
    now = int(share * (timeline.end or 0))

    with numpy_from(float("inf")):
        plain = answers(timeline, now)
    with numpy_from(1):
        assert answers(timeline, now) == plain


@given(moves=MOVES, capacities=st.tuples(st.integers(1, 3), st.integers(1, 3)))
@EXAMPLES
def test_so_it_is_whatever_a_recording_says(
    tmp_path_factory: pytest.TempPathFactory, moves: list[Move], capacities: tuple[int, int]
) -> None:
    """Of tasks that enter within an enter, and leave what others entered, in any order."""
    path = tmp_path_factory.mktemp("life") / "a.actx"
    writer = recorder(path)
    for resource, capacity in enumerate(capacities, 1):
        writer.resource_defined(resource, "semaphore", f"semaphore {resource}", capacity)
    life = Life(writer)
    for move in moves:
        life.move(*move)
    timeline = Timeline(read(path))

    with numpy_from(float("inf")):
        plain = answers(timeline, None)
    with numpy_from(1):
        assert answers(timeline, None) == plain
