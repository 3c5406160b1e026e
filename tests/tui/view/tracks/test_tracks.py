"""The time in each phase per column: exact at every zoom."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from app.builders import MS, START, RecordingBuilder
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import EnterEnded, EnterStarted, Event, ExitEnded, ExitStarted
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace_tui.view.lanes.lane_set import LaneSet
from asyncctx_trace_tui.view.time_axis.viewport import Viewport
from asyncctx_trace_tui.view.tracks.track import Track

NOW = START + 10_000 * MS

PASSES = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)),
    min_size=1,
    max_size=25,
)
"""Pauses, waits, holds and cleanups of one task, one after the other, in ms."""


def track_of(passes: list[tuple[int, ...]], left_out: int = 0) -> Track:
    """Return the track of one task; the last acquisition lacks its ``left_out`` last events."""
    timeline, at = Timeline(), START
    for id, durations in enumerate(passes, 1):
        times = [at := at + duration * MS for duration in durations]
        facts: list[Event] = [
            EnterStarted(times[0], id, None, 1, "asyncio.locks.Lock", 1, 1),
            EnterEnded(times[1], id, Outcome.OK, None),
            ExitStarted(times[2], id, 1, Outcome.OK, None),
            ExitEnded(times[3], id, Outcome.OK, False, None),
        ]
        timeline.extend(facts[: 4 - left_out] if id == len(passes) else facts)
    tracks = LaneSet(timeline)
    tracks.update()
    [lane] = tracks.lanes.values()
    [track] = lane.tracks
    return track


@given(PASSES, st.integers(0, 3), st.integers(-200, 2000), st.integers(1, 90), st.integers(1, 60))
def test_columns_add_up_to_the_elapsed_time(
    passes: list[tuple[int, ...]], left_out: int, start: int, step: int, width: int
) -> None:
    """Nothing is sampled: the visible columns together contain each ns once."""
    track = track_of(passes, left_out)
    viewport = Viewport(START + start * MS, step * MS // 7 + 1, width)
    spent = track.elapsed(viewport.end, NOW).minus(track.elapsed(viewport.start, NOW))
    runs = list(track.runs(viewport, NOW))

    for phase in range(3):
        assert sum(run.shares[phase] * run.length for run in runs) == spent[phase]


@given(PASSES, st.integers(0, 3), st.integers(-200, 2000), st.integers(1, 90), st.integers(1, 60))
def test_nothing_is_drawn_outside_or_twice(
    passes: list[tuple[int, ...]], left_out: int, start: int, step: int, width: int
) -> None:
    """Runs are inside the viewport, from left to right, with at most the time of a column."""
    track = track_of(passes, left_out)
    viewport = Viewport(START + start * MS, step * MS // 7 + 1, width)
    edge = 0
    for run in track.runs(viewport, NOW):
        assert run.column >= edge
        assert 0 < sum(run.shares) <= viewport.per_column
        edge = run.column + run.length

    assert edge <= width


@given(PASSES, st.integers(0, 800))
def test_a_row_is_found_at_each_of_its_times(passes: list[tuple[int, ...]], at: int) -> None:
    """Bisection finds the same row as a check of every acquisition."""
    track = track_of(passes)
    timeline = track.timeline
    expected = [a.row for a in timeline if a.phase_at(START + at * MS) is not None]

    assert track.row_at(START + at * MS) == (expected[0] if expected else None)
    assert len(expected) <= 1


def test_a_wait_of_50_us_among_hours_is_visible(tmp_path: Path) -> None:
    """Sampling would hide it."""
    hour = 3_600_000
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "t").resource(1, "r")
    builder.acquisition(1, 1, hour, hour + 0.05, outcomes=(Outcome.TIMED_OUT,))
    tracks = LaneSet(builder.timeline(at=3 * hour))
    tracks.update()
    viewport = Viewport.fitting(START, START + 3 * hour * MS, 100)
    runs = list(tracks.lanes[1].tracks[0].runs(viewport, viewport.end))

    assert [(run.column, run.shares.wait) for run in runs] == [(33, 50_000)]


def test_nested_acquisitions_get_tracks_of_their_own(tmp_path: Path) -> None:
    """Nested ones take two tracks, consecutive ones the same track."""
    builder = (
        RecordingBuilder(tmp_path / "x.actx").task(1, "t").resource(1, "outer").resource(2, "inner")
    )
    builder.acquisition(1, 1, 0, 1, 100, 101).acquisition(1, 2, 10, 11, 20, 21).acquisition(
        1, 2, 30, 31, 40, 41
    )
    tracks = LaneSet(builder.timeline(at=200))
    tracks.update()

    assert [list(track.rows) for track in tracks.lanes[1].tracks] == [[0], [1, 2]]


def test_problems_are_found_where_they_happened(tmp_path: Path) -> None:
    """At most one per column, and none outside the viewport."""
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "t").resource(1, "r")
    for number in range(100):
        builder.acquisition(1, 1, number, number + 0.5, outcomes=(Outcome.CANCELLED,))
    tracks = LaneSet(builder.timeline(at=200))
    tracks.update()
    track = tracks.lanes[1].tracks[0]
    seen = list(track.problems(Viewport(START + 10 * MS, 10 * MS, 5)))

    assert [(problem.at - START) / MS for problem in seen] == [10.5, 20.5, 30.5, 40.5, 50.5]
