"""Events added by columns, with numpy, make the same timeline as events added one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.support.random_tasks import MOVES, Move, RandomTasks
from asyncctx_trace.analysis import numpy_choice
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace.recording.reading.batch import Batch
from asyncctx_trace.recording.reading.reader import Recording
from recording.builders import recorder

pytest.importorskip("numpy")


def extend_by_columns(timeline: Timeline, batch: Batch) -> None:
    """Add ``batch`` with numpy, which must not refuse it."""
    if batch.records:
        assert timeline.extend_by_columns(batch)
    else:
        timeline.extend(batch)


@settings(deadline=None)
@given(moves=MOVES)
def test_any_tasks_make_the_same_timeline(
    tmp_path_factory: pytest.TempPathFactory, moves: list[Move]
) -> None:
    """In one batch or in many, nested or not, with errors, and with acquisitions left open."""
    path = tmp_path_factory.mktemp("tasks") / "run.actx"
    writer = recorder(path)
    writer.manager_defined(1, "asyncio.locks.Lock")
    tasks = RandomTasks(writer)
    one_by_one, by_columns = Timeline(), Timeline()
    with Recording(path) as recording:

        def poll() -> None:
            batch = recording.poll()
            one_by_one.extend(list(batch))
            extend_by_columns(by_columns, batch)

        for task, what, which in moves:
            if what == "poll":
                poll()
            tasks.move(task, what, which)
        poll()

    assert vars(by_columns) == vars(one_by_one)


def test_inconsistent_events_are_refused(tmp_path: Path) -> None:
    """An enter that ends twice, which no recorder writes; nothing is added."""
    path = tmp_path / "run.actx"
    writer = recorder(path)
    writer.enter_started(10, 1, 0, 1, 1, 1, 1)
    writer.enter_ended(20, 1, Outcome.OK, None)
    writer.enter_ended(30, 1, Outcome.OK, None)
    with Recording(path) as recording:
        batch = recording.poll()
    timeline = Timeline()

    assert not timeline.extend_by_columns(batch)
    assert vars(timeline) == vars(Timeline())


def test_a_large_batch_is_added_by_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a difference in the result."""
    monkeypatch.setattr(numpy_choice, "NUMPY_FROM", 0)
    path = tmp_path / "run.actx"
    tasks = RandomTasks(recorder(path))
    for number in range(500):
        for what in ("ask", "enter", "start exit", "exit"):
            tasks.move(number % 4 + 1, what, 0)
    with Recording(path) as recording:
        batch = recording.poll()

    assert vars(Timeline(batch)) == vars(Timeline(list(batch)))


@settings(deadline=None)
@given(
    records=st.lists(
        st.tuples(
            st.sampled_from(["started", "target", "ended"]), st.integers(1, 9), st.integers(1, 3)
        ),
        max_size=12,
    ),
    polls=st.sets(st.integers(0, 12)),
)
def test_waits_in_an_order_that_no_recorder_writes_are_added_in_the_same_way(
    tmp_path_factory: pytest.TempPathFactory, records: list[tuple[str, int, int]], polls: set[int]
) -> None:
    """A damaged time makes a wait end before it starts, or start twice."""
    path = tmp_path_factory.mktemp("waits") / "run.actx"
    writer = recorder(path)
    one_by_one, by_columns = Timeline(), Timeline()
    with Recording(path) as recording:
        for number, (what, at, wait) in enumerate(records):
            if what == "started":
                writer.wait_started(at, wait, 1 + number % 2, 0, 1, WaitKind.TASKS)
            elif what == "target":
                writer.wait_target(at, wait, number + 5)
            else:
                writer.wait_ended(at, wait, Outcome.OK, 2)
            if number in polls:
                batch = recording.poll()
                one_by_one.extend(list(batch))
                extend_by_columns(by_columns, batch)
        batch = recording.poll()
        one_by_one.extend(list(batch))
        extend_by_columns(by_columns, batch)

    assert vars(by_columns) == vars(one_by_one)


def test_the_target_of_a_wait_is_added_though_its_batch_has_no_other_event_of_waits(
    tmp_path: Path,
) -> None:
    """A thread pool tells which thread runs the function some time after the wait has begun."""
    path = tmp_path / "run.actx"
    writer = recorder(path)
    by_columns = Timeline()
    with Recording(path) as recording:
        writer.wait_started(10, 7, 1, 0, 1, WaitKind.THREAD)
        extend_by_columns(by_columns, recording.poll())
        writer.wait_target(20, 7, 2)
        extend_by_columns(by_columns, recording.poll())

    assert by_columns.waits.tasks_awaited(0) == [2]


def test_tasks_that_wait_are_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    """The first one to wait is not the one with the smallest id."""
    path = tmp_path / "run.actx"
    writer = recorder(path)
    for wait, task in enumerate((3, 1, 2, 1), 1):
        writer.wait_started(10 * wait, wait, task, 0, 1, WaitKind.SLEEP)
        writer.wait_ended(10 * wait + 1, wait, Outcome.OK, 0)
    with Recording(path) as recording:
        batch = recording.poll()
    by_columns = Timeline()
    extend_by_columns(by_columns, batch)

    assert list(by_columns.waits.rows_of_task) == list(Timeline(list(batch)).waits.rows_of_task)
