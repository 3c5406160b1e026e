"""The numpy kernels for lanes give the results of the plain ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.builders import START
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import (
    EnterEnded,
    EnterStarted,
    ExitEnded,
    ExitStarted,
    RecordedEvent,
)
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace_tui.view.cells.activity import Overview
from asyncctx_trace_tui.view.cells.drawing import CellSegment, draw
from asyncctx_trace_tui.view.cells.glyphs import ASCII, UNICODE, Glyphs
from asyncctx_trace_tui.view.lanes.interval_index import IntervalIndex
from asyncctx_trace_tui.view.lanes.lane_set import LaneSet
from asyncctx_trace_tui.view.time_axis.viewport import Viewport
from asyncctx_trace_tui.view.tracks import kernels
from asyncctx_trace_tui.view.tracks.track import Track, UnitTrack

pytest.importorskip("numpy")

OUTCOMES = st.sampled_from([Outcome.OK, Outcome.OK, Outcome.OK, Outcome.ERROR, Outcome.TIMED_OUT])
PASSES = st.lists(
    st.tuples(
        *(st.integers(0, most) for most in (9, 30, 30, 30)),
        *(OUTCOMES for _ in range(3)),
    ),
    min_size=1,
    max_size=40,
)
"""Pause, wait, hold and cleanup of one task, one after the other, and how each phase ended."""
WINDOWS = st.builds(
    Viewport,
    st.integers(START - 200, START + 2000),
    st.integers(1, 90),
    st.integers(1, 120),
)


def record_passes(passes: list[tuple[int, ...]], left_out: int) -> list[list[RecordedEvent]]:
    """Record the events of each acquisition; the last one lacks its last ``left_out``."""
    passed: list[list[RecordedEvent]] = []
    at = START
    for id, (pause, wait, hold, cleanup, *outcomes) in enumerate(passes, 1):
        enter, body, exit = map(Outcome, outcomes)
        begun = at + pause
        got_in, left = begun + wait, begun + wait + hold
        facts: list[RecordedEvent] = [
            EnterStarted(begun, id, None, 1, "asyncio.locks.Lock", 1, 1),
            EnterEnded(got_in, id, enter, None),
            ExitStarted(left, id, 1, body, None),
            ExitEnded(left + cleanup, id, exit, False, None),
        ]
        if enter is not Outcome.OK:
            del facts[2:]
        at = facts[-1].at
        passed.append(facts)
    passed[-1] = passed[-1][: max(1, 4 - left_out)]
    return passed


def cell_segments(track: Track, viewport: Viewport, now: int, glyphs: Glyphs) -> list[CellSegment]:
    return draw(
        track,
        viewport,
        now,
        glyphs,
        label=lambda row: f"r{row}",
        holder=lambda row: f"task{row % 8}",
    )


@settings(deadline=None)
@given(
    passes=PASSES,
    left_out=st.integers(0, 3),
    viewport=WINDOWS,
    later=st.integers(0, 500),
    glyphs=st.sampled_from([UNICODE, ASCII]),
    kind=st.sampled_from([Track, UnitTrack]),
    seen_at=st.integers(0, 40),
)
def test_numpy_draws_the_same_cells_as_plain_python(
    passes: list[tuple[int, ...]],
    left_out: int,
    viewport: Viewport,
    later: int,
    glyphs: Glyphs,
    kind: type[Track],
    seen_at: int,
) -> None:
    """For any events and viewport, also while the timeline grows."""
    timeline = Timeline()
    one_by_one, at_once = kind(timeline), kind(timeline)
    passed = record_passes(passes, left_out)
    now = passed[-1][-1].at + later
    with pytest.MonkeyPatch.context() as patch:

        def drawn(track: Track, many: int) -> list[CellSegment]:
            patch.setattr(kernels, "_MANY", many)
            return cell_segments(track, viewport, now, glyphs)

        for number, facts in enumerate(passed):
            timeline.extend(facts)
            if kind is Track or timeline.entered(number):
                one_by_one.rows.append(number)
                at_once.rows.append(number)
            if number == seen_at:
                assert drawn(at_once, 0) == drawn(one_by_one, 1_000)

        assert drawn(at_once, 0) == drawn(one_by_one, 1_000)
        assert at_once.starts == one_by_one.starts
        assert at_once.sums == one_by_one.sums
        assert list(at_once.problems(viewport)) == list(one_by_one.problems(viewport))


@settings(deadline=None)
@given(
    passes=PASSES,
    left_out=st.integers(0, 3),
    at=st.integers(START, START + 2000),
    chunk=st.integers(1, 9),
)
def test_the_interval_index_finds_the_open_acquisitions(
    passes: list[tuple[int, ...]], left_out: int, at: int, chunk: int
) -> None:
    """The same ones as a check of every acquisition, also after the timeline has grown."""
    timeline = Timeline()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asyncctx_trace_tui.view.lanes.interval_index._CHUNK", chunk)
        index = IntervalIndex(timeline)
        for facts in record_passes(passes, left_out):
            for fact in facts:
                timeline.extend([fact])
                if fact.at % 3 == 0:
                    index.rows_at(at)

        assert index.rows_at(at) == [
            a.row for a in timeline if a.enter_started <= at and (a.ended is None or at <= a.ended)
        ]


@settings(deadline=None)
@given(passes=PASSES, left_out=st.integers(0, 3), viewport=WINDOWS, later=st.integers(0, 500))
def test_numpy_sums_over_all_tasks_are_those_of_plain_python(
    passes: list[tuple[int, ...]], left_out: int, viewport: Viewport, later: int
) -> None:
    """Nested acquisitions are not counted twice."""
    passed = record_passes(passes, left_out)
    timeline = Timeline(fact for facts in passed for fact in facts)
    nested = EnterStarted(passed[-1][-1].at, 1_000, None, 1, "asyncio.locks.Lock", 1, 1)
    timeline.extend([nested])
    now = passed[-1][-1].at + later
    tracks = LaneSet(timeline)
    tracks.update()
    results = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asyncctx_trace_tui.view.cells.activity._AT_ONCE", 7)
        for many in (0, 1_000):
            patch.setattr(kernels, "_MANY", many)
            overview = Overview(viewport, now)
            for _ in overview.sum_up(tracks):
                pass
            totals = [tracks.totals(phase, now) for phase in range(3)]
            results.append((overview.waits, overview.holds, totals))

    assert results[0] == results[1]
