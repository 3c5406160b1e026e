"""Draw a track as terminal cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

from asyncctx_trace.model.events import Outcome
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.cells.style import HOLD, IDLE, Cell, cell_of, cells_of
from asyncctx_trace_tui.view.cells.wait_marks import WaitMark, paint_waits
from asyncctx_trace_tui.view.time_axis.viewport import Viewport
from asyncctx_trace_tui.view.tracks.flat_track import FlatTrack
from asyncctx_trace_tui.view.tracks.track import Track

__all__ = ["CellSegment", "draw", "plain_text"]

_LONGEST_UNNAMED = 5
"""A bar shows a name if it is longer than this, in columns."""
_MARKS: dict[Outcome, str] = {
    Outcome.ERROR: "error",
    Outcome.CANCELLED: "cancelled",
    Outcome.TIMED_OUT: "timed-out",
}


class CellSegment(NamedTuple):
    """Neighboring cells with the same foreground and background."""

    text: str
    foreground: str
    background: str


def draw(
    track: Track | FlatTrack,
    viewport: Viewport,
    now: int,
    glyphs: Glyphs,
    *,
    alive: Iterable[tuple[int, int, str]] = (),
    label: Callable[[int], str] | None = None,
    holder: Callable[[int], str] | None = None,
    marks: Iterable[WaitMark] = (),
    faults: Iterable[tuple[int, int]] = (),
) -> list[CellSegment]:
    """Draw the whole width of ``viewport``: one character per column.

    ``alive`` are start, end and glyph of the lifeline of each task, drawn where nothing else is.
    ``label`` returns the name to draw inside the bar of a row, if it fits. ``holder`` returns
    the color of a row while it holds. ``marks`` are drawn over it: see
    :mod:`~asyncctx_trace_tui.view.cells.wait_marks`. ``faults`` are the times that
    are drawn in red.
    """
    width = viewport.width
    cells: list[Cell] = [(" ", IDLE, "")] * width
    lines: dict[str, Cell] = {}
    for since, until, glyph in alive:
        first = max(0, viewport.column_of(since))
        last = min(width - 1, viewport.column_of(until))
        if first <= last:
            cell = lines.setdefault(glyph, (glyph, IDLE, ""))  # shared: compared by identity first
            cells[first : last + 1] = [cell] * (last - first + 1)
    bars = _paint(cells, track, viewport, now, glyphs, holder)
    taken = paint_waits(cells, marks, glyphs)
    for column, length, row in bars:
        name = label(row) if label is not None else ""
        if 0 < len(name) <= length - 2 and taken.isdisjoint(range(column, column + len(name) + 2)):
            char, foreground, background = cells[column]
            # On a solid bar the name is inverted; on a wait or a cleanup it is not.
            if char in (glyphs.full[1], glyphs.awaits_held):
                foreground, background = "name", foreground
            cells[column + 1 : column + 1 + len(name)] = [
                (char, foreground, background) for char in name
            ]
    for since, until in faults:
        _redden(cells, max(0, viewport.column_of(since)), viewport.column_of(until))
    for problem in track.problems(viewport):
        mark = glyphs.outcomes[problem.outcome], _MARKS[problem.outcome], ""
        cells[viewport.column_of(problem.at)] = mark
    return _cell_segments(cells)


def _redden(cells: list[Cell], first: int, last: int) -> None:
    """Draw the bars and waits of some columns in red."""
    for column in range(first, min(last + 1, len(cells))):
        char, foreground, background = cells[column]
        if foreground == "name" or background == HOLD:
            cells[column] = char, foreground, "error"
        elif foreground != IDLE:
            cells[column] = char, "error", background


def plain_text(cell_segments: Iterable[CellSegment]) -> str:
    """Return only the characters."""
    return "".join(stroke.text for stroke in cell_segments)


def _paint(
    cells: list[Cell],
    track: Track | FlatTrack,
    viewport: Viewport,
    now: int,
    glyphs: Glyphs,
    holder: Callable[[int], str] | None,
) -> list[tuple[int, int, int]]:
    """Fill the cells that are not empty.

    Returns column, length and row of each bar that is long enough for a name.
    """
    columns = track.columns(viewport, now)
    if columns is not None:
        rows = columns.row.tolist() if holder is not None else []
        for column, cell in zip(*cells_of(columns, viewport.per_column, glyphs), strict=True):
            if holder is not None and cell[1] == HOLD:
                cell = cell[0], holder(rows[column]), cell[2]
            cells[column] = cell
        named: list[tuple[int, int, int]] = columns.bars(_LONGEST_UNNAMED)
        return named
    bars = []
    for run in track.runs(viewport, now):
        char, foreground, background = cell_of(run, viewport.per_column, glyphs)
        if holder is not None and foreground == HOLD:
            foreground = holder(run.row)
        cells[run.column : run.column + run.length] = [(char, foreground, background)] * run.length
        if run.length > _LONGEST_UNNAMED:
            bars.append((run.column, run.length, run.row))
    return bars


def _cell_segments(cells: list[Cell]) -> list[CellSegment]:
    text = "".join([cell[0] for cell in cells])
    ends = [
        column
        for column, (one, other) in enumerate(pairwise(cells), 1)
        if one is not other and (one[1] != other[1] or one[2] != other[2])
    ]
    return [
        CellSegment(text[start:end], *cells[start][1:])
        for start, end in pairwise([0, *ends, len(cells)])
    ]
