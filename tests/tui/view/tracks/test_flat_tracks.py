"""A row on one line shows what its task does innermost, with exact shares at every zoom."""

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
from asyncctx_trace_tui.view.cells.drawing import CellSegment, draw
from asyncctx_trace_tui.view.cells.glyphs import UNICODE
from asyncctx_trace_tui.view.lanes.lane_set import LaneSet
from asyncctx_trace_tui.view.time_axis.viewport import Viewport
from asyncctx_trace_tui.view.tracks import kernels
from asyncctx_trace_tui.view.tracks.flat_track import FlatTrack
from asyncctx_trace_tui.view.tracks.step_curve import StepCurve

NESTS = st.lists(
    st.tuples(
        *[st.integers(0, 30)] * 4,
        st.lists(st.tuples(*[st.integers(0, 12)] * 4), max_size=3),
    ),
    min_size=1,
    max_size=12,
)
"""Pause, wait, rest of the hold, and cleanup, of acquisitions with others inside their bodies."""
WINDOWS = st.builds(
    Viewport,
    st.integers(START - 100, START + 800),
    st.integers(1, 60),
    st.integers(1, 100),
)


def lane_of(nests: list[tuple[int, int, int, int, list[tuple[int, ...]]]]) -> FlatTrack:
    """Return the tracks of one task on one line."""
    events: list[RecordedEvent] = []
    at, number = START, 0

    def enter(pause: int, wait: int, parent: int | None) -> int:
        nonlocal at, number
        number += 1
        at += pause
        events.append(EnterStarted(at, number, parent, 1, "m", 1, 1))
        at += wait
        events.append(EnterEnded(at, number, Outcome.OK, None))
        return number

    def exit(acquisition: int, hold: int, cleanup: int) -> None:
        nonlocal at
        at += hold
        events.append(ExitStarted(at, acquisition, 1, Outcome.OK, None))
        at += cleanup
        events.append(ExitEnded(at, acquisition, Outcome.OK, False, None))

    for pause, wait, hold, cleanup, inner in nests:
        outer = enter(pause, wait, None)
        for before, asked, held, cleaned in inner:
            exit(enter(before, asked, outer), held, cleaned)
        exit(outer, hold, cleanup)
    tracks = LaneSet(Timeline(events))
    tracks.update()
    return FlatTrack(tracks.lanes[1].tracks)


@settings(deadline=None)
@given(NESTS, WINDOWS)
def test_the_shares_are_those_of_what_is_innermost(
    nests: list[tuple[int, int, int, int, list[tuple[int, ...]]]], viewport: Viewport
) -> None:
    """Compared with a look at every ns."""
    flat = lane_of(nests)
    timeline = flat.tracks[0].timeline
    now = timeline.end or 0
    phases = {"enter": 0, "body": 1, "exit": 2}
    expected = [[0, 0, 0] for _ in range(viewport.width)]
    for at in range(max(viewport.start, START), min(viewport.end, now)):
        open_rows = [a for a in timeline if a.enter_started <= at < (a.ended or now)]
        if open_rows:
            phase = max(open_rows, key=lambda a: a.depth).phase_at(at)
            if phase is not None:
                expected[viewport.column_of(at)][phases[phase]] += 1
    seen = [[0, 0, 0] for _ in range(viewport.width)]
    for run in flat.runs(viewport, now):
        for column in range(run.column, run.column + run.length):
            seen[column] = list(run.shares)

    assert seen == expected


@settings(deadline=None)
@given(NESTS, WINDOWS)
def test_numpy_draws_flat_rows_as_plain_python_does(
    nests: list[tuple[int, int, int, int, list[tuple[int, ...]]]], viewport: Viewport
) -> None:
    """Every cell, with names inside the bars."""
    pytest.importorskip("numpy")
    with pytest.MonkeyPatch.context() as patch:

        def drawn(many: int) -> list[CellSegment]:
            patch.setattr(kernels, "_MANY", many)
            flat = lane_of(nests)
            now = flat.tracks[0].timeline.end or 0
            return draw(flat, viewport, now, UNICODE, label=lambda row: f"r{row}")

        assert drawn(-1) == drawn(1_000_000)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 90)), min_size=1, max_size=30),
    st.builds(Viewport, st.integers(-50, 300), st.integers(1, 60), st.integers(1, 40)),
)
def test_a_curve_has_the_mean_of_each_column(
    lengths: list[tuple[int, int]], viewport: Viewport
) -> None:
    """How many intervals are open, compared with their overlap with the column."""
    starts = [START + start for start, _ in lengths]
    ends = [START + start + length for start, length in lengths]
    viewport = Viewport(START + viewport.start, viewport.per_column, viewport.width)
    expected = [
        sum(
            max(0, min(end, viewport.time_of(column + 1)) - max(start, viewport.time_of(column)))
            for start, end in zip(starts, ends, strict=True)
        )
        / viewport.per_column
        for column in range(viewport.width)
    ]
    for many in (-1, 1_000_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels, "_MANY", many)
            assert StepCurve.of_intervals(starts, ends).means(viewport) == expected
