"""Tasks of one coroutine are packed into as many rows as run at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.builders import START
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.events import (
    EnterEnded,
    EnterStarted,
    ExitEnded,
    ExitStarted,
    RecordedEvent,
    SiteDefined,
    TaskDefined,
    TaskEnded,
    WaitEnded,
    WaitStarted,
)
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace_tui.view.lanes.lane_set import LaneSet
from asyncctx_trace_tui.view.lanes.packing import RowPacker
from asyncctx_trace_tui.view.lanes.task_groups import GroupKey, LaneGroup, TaskGroups, group_key
from asyncctx_trace_tui.view.time_axis.viewport import Viewport
from asyncctx_trace_tui.view.tracks import kernels

INTERVALS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), min_size=1, max_size=60)
"""Start and length."""
NEVER = 10**9


def first_fit(intervals: list[tuple[int, int]]) -> list[int]:
    """Pack intervals, given as start and end in the order of their starts."""
    packer, rows = RowPacker(), []
    for start, end in intervals:
        rows.append(packer.place(start))
        packer.end(rows[-1], end)
    assert packer.count == max(rows) + 1
    return rows


def overlap(intervals: list[tuple[int, int]]) -> int:
    """Return how many intervals are open at once, at most; one without length is open for once."""
    return max(
        1 + sum(a <= start < b for a, b in intervals[:number])
        for number, (start, _) in enumerate(intervals)
    )


@given(INTERVALS)
def test_intervals_in_one_row_do_not_overlap(lengths: list[tuple[int, int]]) -> None:
    """And there are as many rows as intervals overlap at most."""
    intervals = [(start, start + length) for start, length in sorted(lengths)]
    rows = first_fit(intervals)
    for row in set(rows):
        own = [interval for interval, at in zip(intervals, rows, strict=True) if at == row]
        assert all(end <= start for (_, end), (start, _) in pairwise(own))

    assert max(rows) + 1 == overlap(intervals)


@given(INTERVALS)
def test_each_interval_gets_the_first_row_that_is_free(lengths: list[tuple[int, int]]) -> None:
    """Compared with a look at every row."""
    intervals = [(start, start + length) for start, length in sorted(lengths)]
    ends: list[int] = []
    expected = []
    for start, end in intervals:
        row = next((row for row, until in enumerate(ends) if until <= start), len(ends))
        ends[row:] = [end] if row == len(ends) else [end, *ends[row + 1 :]]
        expected.append(row)

    assert first_fit(intervals) == expected


@given(INTERVALS)
def test_intervals_that_come_late_overlap_nothing(lengths: list[tuple[int, int]]) -> None:
    """Threads of a program may be read out of order: there may be more rows, but no overlap."""
    intervals = [(start, start + max(1, length)) for start, length in lengths]
    rows = first_fit(intervals)
    for row in set(rows):
        own = sorted(each for each, at in zip(intervals, rows, strict=True) if at == row)
        assert all(end <= start for (_, end), (start, _) in pairwise(own))


# -- groups of tasks ------------------------------------------------------------------------

TASKS = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.lists(st.tuples(*[st.integers(0, 9)] * 4), min_size=1, max_size=3),
        st.booleans(),
        st.integers(0, 4),
        st.sampled_from([0, 0, 0, 1, 2]),
    ),
    min_size=25,
    max_size=40,
)
"""Start; pause, wait, hold and nested hold of each acquisition; whether the task waits for a queue
afterwards; how much of the last events is missing; whether another task exits after its end (1), or
the end of the task is not recorded (2)."""


def events_of(
    tasks: list[tuple[int, list[tuple[int, ...]], bool, int, int]],
) -> list[RecordedEvent]:
    """Return the events of tasks, in order of time."""
    found: list[tuple[int, int, RecordedEvent]] = []
    acquisition = 0

    def add(event: RecordedEvent) -> None:
        found.append((event.at, len(found), event))

    for task, (start, passes, waits, left_out, ending) in enumerate(tasks, 1):
        at = START + start
        for pause, wait, hold, nested in passes:
            acquisition += 2
            outer, inner = acquisition, acquisition + 1
            at += pause
            add(EnterStarted(at, outer, None, task, "m", 1, 1))
            at += wait
            add(EnterEnded(at, outer, Outcome.OK, None))
            add(EnterStarted(at, inner, outer, task, "m", 2, 1))
            at += nested
            add(EnterEnded(at, inner, Outcome.OK, None))
            add(ExitStarted(at, inner, task, Outcome.OK, None))
            add(ExitEnded(at, inner, Outcome.OK, False, None))
            at += hold
            late = ending == 1 and (pause, wait, hold, nested) == passes[-1]
            if not late:
                add(ExitStarted(at, outer, task, Outcome.OK, None))
                add(ExitEnded(at, outer, Outcome.OK, False, None))
        if waits:
            add(WaitStarted(at, task, task, None, 1, WaitKind.QUEUE_GET))
            at += 3
            if left_out != 1:
                add(WaitEnded(at, task, Outcome.OK, None))
        if ending != 2:
            add(TaskEnded(at, task))
        if late and left_out != 2:
            add(ExitStarted(at + 7, outer, 1, Outcome.OK, None))
            add(ExitEnded(at + 9, outer, Outcome.OK, False, None))
    return [event for _, _, event in sorted(found, key=lambda each: each[:2])]


def packed_by(
    events: list[RecordedEvent], count: int, *, batch: int, many: int
) -> tuple[LaneSet, LaneGroup]:
    """Feed a timeline batch by batch, and return its lanes and the group of all its tasks."""
    timeline = Timeline()
    timeline.extend(
        TaskDefined(START, task, f"Task-{task}", "asyncio", None, 1, "t", "serve")
        for task in range(1, count + 1)
    )
    tracks = LaneSet(timeline)
    groups = TaskGroups(tracks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "_MANY", many)
        patch.setattr("asyncctx_trace_tui.view.lanes.task_groups._FEW_LANES", 0)
        for first in range(0, len(events), batch):
            timeline.extend(events[first : first + batch])
            tracks.update()
            groups.update()
            for group in groups.packed:
                for row in group.rows:
                    row.collect()
        [group] = groups.packed
    return tracks, group


@settings(deadline=None, max_examples=60)
@given(TASKS, st.integers(1, 400), st.sampled_from([0, 1_000]))
def test_each_acquisition_and_wait_is_drawn_once_and_none_overlap(
    tasks: list[tuple[int, list[tuple[int, ...]], bool, int, int]], batch: int, many: int
) -> None:
    """Also while a program is followed, with leaks, hand-overs, and ends that were not recorded."""
    events = events_of(tasks)
    tracks, group = packed_by(events, len(tasks), batch=batch, many=many)
    timeline = tracks.timeline
    drawn = [row for packed in group.rows for track in packed.tracks for row in track.rows]
    waits = [wait for packed in group.rows for wait in packed.waits.rows]

    assert sorted(drawn) == list(range(len(timeline)))
    assert sorted(waits) == list(range(len(timeline.waits)))
    for packed in group.rows:
        for track in packed.tracks:
            edges = [track.edges(row) for row in track.rows]
            assert all(one[3] <= next_[0] for one, next_ in pairwise(edges))
        ends = [timeline.waits.ended[wait] for wait in packed.waits.rows]
        starts = [timeline.waits.started[wait] for wait in packed.waits.rows]
        assert all(
            end != NOT_YET and end <= start for end, start in zip(ends, starts[1:], strict=False)
        )


def at_distinct_times(events: list[RecordedEvent]) -> list[RecordedEvent]:
    """Spread events of the same time: who follows whom is not left to the order of reading."""
    return [
        replace(event, at=START + (event.at - START) * 10_000 + number)
        for number, event in enumerate(events)
    ]


@settings(deadline=None, max_examples=60)
@given(TASKS, st.integers(1, 400))
def test_a_program_that_is_followed_is_packed_like_its_recording(
    tasks: list[tuple[int, list[tuple[int, ...]], bool, int, int]], batch: int
) -> None:
    """Batch by batch or at once, with numpy or without."""
    events = at_distinct_times(events_of(tasks))
    rows = []
    for size, many in ((batch, 1_000), (len(events), 1_000), (len(events), 0)):
        _, group = packed_by(events, len(tasks), batch=size, many=many)
        rows.append([list(packed.tasks) for packed in group.rows])

    assert rows[0] == rows[1] == rows[2]


@settings(deadline=None, max_examples=60)
@given(TASKS)
def test_there_are_as_many_rows_as_tasks_run_at_once(
    tasks: list[tuple[int, list[tuple[int, ...]], bool, int, int]],
) -> None:
    """From the first event of a task to its end, or the end of what it leaves behind."""
    events = events_of(tasks)
    tracks, group = packed_by(events, len(tasks), batch=len(events), many=1_000)
    timeline = tracks.timeline
    unfinished = {timeline.task[row] for row in timeline.in_flight}
    unfinished |= {timeline.waits.task[wait] for wait in timeline.waits.open.values()}
    intervals = []
    for lane in tracks.lanes.values():
        last = max(timeline.exit_ended[row] for row in timeline.rows_of_task[lane.task])
        end = max(last, timeline.task_ended.get(lane.task, NEVER**2))
        intervals.append((lane.started, NEVER**2 if lane.task in unfinished else end))

    assert len(group.rows) == overlap(sorted(intervals, key=lambda each: each[0]))


@pytest.mark.parametrize(
    ("defined", "key"),
    [
        (("Task-17", "asyncio", "Shop.serve"), ("Shop.serve", "")),
        (("app.serve", "trio", "serve"), ("serve", "")),
        (("worker-17", "asyncio", "work"), ("work", "worker-…")),
        (("MainThread (no task)", "none", ""), ("first_function", "MainThread (no task)")),
        (("Task-17", "asyncio", ""), ("first_function", "")),
    ],
)
def test_tasks_are_grouped_by_coroutine_and_name(
    defined: tuple[str, str, str], key: tuple[str, str]
) -> None:
    """A generated name does not count; numbers in others do not either.

    Without a coroutine, as in older recordings, the first function that acquires counts.
    """
    name, runtime, coroutine = defined
    timeline = Timeline(
        [
            TaskDefined(START, 1, name, runtime, None, 3, "t", coroutine),
            SiteDefined(1, "app.py", 12, "first_function", "lock"),
            EnterStarted(START, 1, None, 1, "m", 1, 1),
        ]
    )

    assert group_key(timeline, 1) == GroupKey(3, *key)


@settings(deadline=None, max_examples=60)
@given(
    TASKS,
    st.builds(Viewport, st.integers(START - 50, START + 90), st.integers(1, 9), st.integers(1, 60)),
    st.sampled_from([0, 1_000]),
)
def test_a_line_of_life_is_drawn_where_a_task_of_the_row_exists(
    tasks: list[tuple[int, list[tuple[int, ...]], bool, int, int]], viewport: Viewport, many: int
) -> None:
    """For any viewport; lives without an empty column between them are one line."""
    events = events_of(tasks)
    tracks, group = packed_by(events, len(tasks), batch=400, many=many)
    ended, now = tracks.timeline.task_ended, events[-1].at

    def columns(lives: Iterable[tuple[int, int]]) -> set[int]:
        pairs = [(viewport.column_of(since), viewport.column_of(until)) for since, until in lives]
        found = {column for first, last in pairs for column in range(first, last + 1)}
        return {column for column in found if 0 <= column < viewport.width}

    for packed in group.rows:
        starts = [tracks.lanes[task].started for task in packed.tasks]
        ends = [ended.get(task, now) for task in packed.tasks]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels, "_MANY", many)
            lives = packed.lives_in(viewport, now)

        assert columns(lives) == columns(zip(starts, ends, strict=True))
        edges = [edge for life in lives for edge in life]
        gaps = zip(edges[1:-1:2], edges[2::2], strict=True)
        assert all(viewport.column_of(b) - viewport.column_of(a) > 1 for a, b in gaps)
