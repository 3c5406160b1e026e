"""The part of a recording between two times, selected event by event or with numpy."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.support.random_tasks import MOVES, Move, RandomTasks
from asyncctx_trace.analysis.timeline import selection
from asyncctx_trace.analysis.timeline.selection import EventBatch, between
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.recording.reading.reader import Recording
from recording.builders import recorder

TIMES = st.none() | st.integers(0, 400)


def batches_of(path: Path, moves: list[Move]) -> list[EventBatch]:
    """Return what each poll of the recording of some random tasks reads."""
    writer = recorder(path)
    writer.manager_defined(1, "asyncio.locks.Lock")
    writer.resource_defined(1, "lock", "lock", 1)
    tasks = RandomTasks(writer)
    batches: list[EventBatch] = []
    with Recording(path) as recording:
        for task, what, which in moves:
            if what == "poll":
                batches.append(recording.poll())
                writer.task_defined(tasks.now, task, f"task {task}", "asyncio", 0, "MainThread")
            tasks.move(task, what, which)
        return [*batches, recording.poll()]


@settings(deadline=None)
@given(moves=MOVES, since=TIMES, until=TIMES)
def test_numpy_selects_the_same_events(
    tmp_path_factory: pytest.TempPathFactory,
    moves: list[Move],
    since: int | None,
    until: int | None,
) -> None:
    """Whatever the tasks did, wherever it is cut, in however many batches it is read."""
    pytest.importorskip("numpy")
    batches = batches_of(tmp_path_factory.mktemp("tasks") / "run.actx", moves)
    with_numpy, more = between(batches, since, until)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(selection, "has_numpy", lambda: False)
        one_by_one, more_one_by_one = between(batches, since, until)

    assert vars(with_numpy) == vars(one_by_one)
    assert more == more_one_by_one


@settings(deadline=None)
@given(moves=MOVES, since=st.integers(0, 400), until=st.integers(0, 400))
def test_only_what_ended_before_and_what_came_later_is_left_out(
    tmp_path_factory: pytest.TempPathFactory, moves: list[Move], since: int, until: int
) -> None:
    """An acquisition that was open at the end is still open."""
    batches = batches_of(tmp_path_factory.mktemp("tasks") / "run.actx", moves)
    whole = Timeline()
    for batch in batches:
        whole.extend(batch)
    start = whole.start or 0
    first, last = start + since, start + until
    part, more = between(batches, since, until)
    by_time, _ = between(batches, None, None, since_at=first, until_at=last)
    assert vars(by_time) == vars(part)

    def ended_before(row: int) -> bool:
        ended = whole.exit_ended[row] if whole.entered(row) else whole.enter_ended[row]
        return NOT_YET < ended < first and ended <= last

    started = [row for row, at in enumerate(whole.enter_started) if at <= last]
    assert list(part.id) == [whole.id[row] for row in started if not ended_before(row)]
    assert all(at <= last for column in part.times for at in column)
    assert more == (last < (whole.end or 0))
