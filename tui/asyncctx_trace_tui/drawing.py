"""A track as characters: which glyph, ink and paper each column gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from asyncctx_trace.events import Outcome
from asyncctx_trace_tui.looks import HOLD, IDLE, look, looks
from asyncctx_trace_tui.tracks import Track, bulk_for
from asyncctx_trace_tui.viewport import Viewport

__all__ = ["ASCII", "UNICODE", "Glyphs", "Stroke", "draw", "plain_text"]

_ROOM = 5
"""Columns that a bar must have more of to carry a name."""
_MARKS: dict[Outcome, str] = {
    Outcome.ERROR: "error",
    Outcome.CANCELLED: "cancelled",
    Outcome.TIMED_OUT: "timed-out",
}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One alphabet for everything that is drawn; every glyph is one column wide."""

    full: tuple[str, str, str]
    """A slice that is all waiting, all holding, all cleaning up."""
    little: tuple[str, str, str]
    """A slice with less than a quarter of it."""
    heights: str
    """Holding, by how much of the slice, where it does not reach an edge of the slice."""
    lefts: str
    """The same where it begins before the slice; also where one phase follows another."""
    rights: str
    """The same where it goes on after the slice."""
    mixed: str
    alive: str
    """A task that lives and is in no acquisition."""
    alive_low: str
    """The same at the foot of its line."""
    head: str
    outcomes: dict[Outcome, str]
    selected: str
    folded: str
    pinned: str
    branch: str
    """From who waits down to who holds."""
    tick: str
    here: str
    """Points down from the ruler to the play head."""
    arrow_body: str
    arrow_start: tuple[str, str]
    """Upwards, downwards."""
    arrow_end: tuple[str, str]
    states: dict[str, str]
    """Signs for what the play head does."""


UNICODE = Glyphs(
    full=("░", "█", "╱"),
    little=("·", "▁", "╱"),
    heights="▁▂▃▄▅▆▇█",
    lefts="▏▎▍▌▋▊▉█",
    rights="▕▕▕▐▐▐██",
    mixed="▚",
    alive="─",
    alive_low="_",
    head="│",
    outcomes={Outcome.ERROR: "✗", Outcome.CANCELLED: "⊘", Outcome.TIMED_OUT: "◷"},
    selected="▸",
    folded="+",
    pinned="◆",
    branch="└─ ",
    tick="╷",
    here="▼",
    arrow_body="┆",
    arrow_start=("╵", "╷"),
    arrow_end=("▲", "▼"),
    states={"live": "●", "end": "■", "playing": "▶", "playing back": "◀", "paused": "‖"},
)
ASCII = Glyphs(
    full=(".", "#", "/"),
    little=(".", "_", "/"),
    heights="__====##",
    lefts="[[[[####",
    rights="]]]]####",
    mixed="%",
    alive="-",
    alive_low="_",
    head="|",
    outcomes={Outcome.ERROR: "x", Outcome.CANCELLED: "o", Outcome.TIMED_OUT: "t"},
    selected=">",
    folded="+",
    pinned="*",
    branch="`- ",
    tick="'",
    here="V",
    arrow_body=":",
    arrow_start=("'", "."),
    arrow_end=("^", "v"),
    states={"live": "*", "end": "#", "playing": ">", "playing back": "<", "paused": "="},
)


class Stroke(NamedTuple):
    """Neighbouring columns that look alike but for their characters."""

    text: str
    ink: str
    paper: str


def draw(
    track: Track,
    viewport: Viewport,
    now: int,
    glyphs: Glyphs,
    *,
    alive: tuple[int, int, str] | None = None,
    label: Callable[[int], str] | None = None,
    holder: Callable[[int], str] | None = None,
) -> list[Stroke]:
    """The whole width of ``viewport``; the texts together have as many characters as columns.

    ``alive`` is from when to when the task lived, and the glyph of that, drawn where nothing else
    is; ``label`` names the acquisition of a row inside its bar, where there is room; ``holder``
    gives another ink for the holding of a row.
    """
    width = viewport.width
    chars, inks, papers = [" "] * width, [IDLE] * width, [""] * width
    if alive is not None:
        first = max(0, viewport.column_of(alive[0]))
        last = min(width - 1, viewport.column_of(alive[1]))
        if first <= last:
            chars[first : last + 1] = alive[2] * (last - first + 1)
    bars = _paint(track, viewport, now, glyphs, (chars, inks, papers), holder)
    for column, length, row in bars:
        name = label(row) if label is not None else ""
        if 0 < len(name) <= length - 2:
            start, stop = column + 1, column + 1 + len(name)
            # On a bar the name is cut out; in a wait or a cleanup it stands on its own.
            solid, ink, paper = chars[column] == glyphs.full[1], inks[column], papers[column]
            chars[start:stop] = name
            inks[start:stop] = ["name" if solid else ink] * len(name)
            papers[start:stop] = [ink if solid else paper] * len(name)
    for problem in track.problems(viewport):
        column = viewport.column_of(problem.at)
        chars[column] = glyphs.outcomes[problem.outcome]
        inks[column] = _MARKS[problem.outcome]
        papers[column] = ""
    return _strokes(chars, inks, papers)


def _paint(
    track: Track,
    viewport: Viewport,
    now: int,
    glyphs: Glyphs,
    onto: tuple[list[str], list[str], list[str]],
    holder: Callable[[int], str] | None,
) -> list[tuple[int, int, int]]:
    """Put glyphs, inks and papers of all columns ``onto`` these lists.

    Gives column, length and row of each bar that has room for a name.
    """
    chars, inks, papers = onto
    fast = bulk_for(track.index_at(viewport.end) - track.index_at(viewport.start))
    if fast is not None:
        columns = fast.Columns(track, viewport, now)
        rows = columns.row.tolist() if holder is not None else []
        for column, (char, ink, paper) in zip(
            *looks(columns, viewport.per_column, glyphs), strict=True
        ):
            chars[column], papers[column] = char, paper
            inks[column] = holder(rows[column]) if holder is not None and ink == HOLD else ink
        named: list[tuple[int, int, int]] = columns.bars(_ROOM)
        return named
    bars = []
    for run in track.runs(viewport, now):
        char, ink, paper = look(run, viewport.per_column, glyphs)
        if holder is not None and ink == HOLD:
            ink = holder(run.row)
        end = run.column + run.length
        chars[run.column : end] = char * run.length
        inks[run.column : end] = [ink] * run.length
        papers[run.column : end] = [paper] * run.length
        if run.length > _ROOM:
            bars.append((run.column, run.length, run.row))
    return bars


def plain_text(strokes: Iterable[Stroke]) -> str:
    """The characters alone."""
    return "".join(stroke.text for stroke in strokes)


def _strokes(chars: list[str], inks: list[str], papers: list[str]) -> list[Stroke]:
    strokes: list[Stroke] = []
    start = 0
    for end in range(1, len(chars) + 1):
        if end == len(chars) or inks[end] != inks[start] or papers[end] != papers[start]:
            strokes.append(Stroke("".join(chars[start:end]), inks[start], papers[start]))
            start = end
    return strokes
