"""Lanes as plain text: each phase has its own glyph, whatever the colors."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.builders import MS, START, RecordingBuilder, three_workers
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace_tui.view.cells.drawing import draw, plain_text
from asyncctx_trace_tui.view.cells.glyphs import ASCII, UNICODE, Glyphs
from asyncctx_trace_tui.view.lanes.lane_set import LaneSet
from asyncctx_trace_tui.view.time_axis.viewport import Viewport


def drawn_lanes(
    builder: RecordingBuilder, first: float, last: float, width: int, glyphs: Glyphs = UNICODE
) -> list[str]:
    """Return each track between two times as text."""
    tracks = LaneSet(builder.timeline(at=1000))
    tracks.update()
    viewport = Viewport.fitting(START + round(first * MS), START + round(last * MS) - 1, width)
    now = START + 1000 * MS
    return [
        plain_text(draw(track, viewport, now, glyphs)).rstrip()
        for lane in tracks.lanes.values()
        for track in lane.tracks
    ]


def test_three_workers_queue_for_a_lock(tmp_path: Path) -> None:
    """Waiting is dotted, holding solid; each holder begins where the last one ends."""
    assert drawn_lanes(three_workers(tmp_path / "x.actx"), 0, 320, 32) == [
        "██████████╱",
        " ░░░░░░░░░██████████╱",
        "  ░░░░░░░░░░░░░░░░░░██████████╱",
    ]


def test_three_workers_queue_for_a_lock_in_ascii(tmp_path: Path) -> None:
    """For terminals without Unicode fonts."""
    assert drawn_lanes(three_workers(tmp_path / "x.actx"), 0, 320, 32, ASCII) == [
        "##########/",
        " .........##########/",
        "  ..................##########/",
    ]


@pytest.mark.parametrize(
    ("zoom", "drawn"),
    [
        (10, "  ░███╱╱"),
        (20, " ▌█╱"),
        (80, "▚"),
    ],
)
def test_phases_are_distinct_while_they_share_columns(
    tmp_path: Path, zoom: int, drawn: str
) -> None:
    """Enter, body and exit in many columns, in few, in one."""
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "t").resource(1, "r")
    builder.acquisition(1, 1, 20, 30, 60, 80)

    assert drawn_lanes(builder, 0, 8 * zoom, 8) == [drawn]


def test_acquisitions_in_flight_reach_to_now(tmp_path: Path) -> None:
    """A leak is drawn to the end and no further."""
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "t").resource(1, "r")
    builder.acquisition(1, 1, 900, 940)

    assert drawn_lanes(builder, 900, 1100, 20) == ["░░░░██████"]


def test_failures_are_marked_where_they_happened(tmp_path: Path) -> None:
    """Errors, cancellations and timeouts have a glyph each."""
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "t").resource(1, "r")
    builder.acquisition(1, 1, 0, 20, outcomes=(Outcome.TIMED_OUT,), error=TimeoutError())
    builder.acquisition(
        1, 1, 40, 40, 60, 70, outcomes=(Outcome.OK, Outcome.ERROR), error=ValueError()
    )
    builder.acquisition(1, 1, 90, 110, outcomes=(Outcome.CANCELLED,))

    assert drawn_lanes(builder, 0, 120, 12) == ["░░◷ ██✗  ░░⊘"]
