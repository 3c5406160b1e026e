"""Draw waits for other things than managers, and stalls, over the cells of a track.

Outside of any acquisition, a wait is a dashed line with the name of what is waited for; while the
task holds something, it is a lighter bar. Where the name has no room, a letter says the kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.cells.style import IDLE, Cell

__all__ = ["WaitMark", "paint_waits"]

_SHORTEST_NAMED = 5
"""A name is drawn only where there is room for that many of its characters."""


class WaitMark(NamedTuple):
    """Columns in which a task waits, or blocks its event loop."""

    column: int
    length: int
    letter: str
    """For its kind; ``""`` if it is somewhere else."""
    name: str
    """What is waited for; each character is one cell wide."""
    foreground: str
    whole: bool
    """Whether it fills the columns; else it is short, and drawn only where nothing else is."""
    most: bool
    """Whether the task waits for most of the time of a column that it does not fill."""

    def unnamed(self) -> WaitMark:
        """Return the mark for the other lines of a thick track."""
        return self._replace(letter="", name="")


def paint_waits(cells: list[Cell], marks: Iterable[WaitMark], glyphs: Glyphs) -> set[int]:
    """Draw ``marks`` over ``cells``; return the columns of stalls, which must stay visible."""
    kept: set[int] = set()
    for mark in marks:
        first, last = mark.column, min(mark.column + mark.length, len(cells))
        if not mark.whole:
            cell = glyphs.awaits[not mark.most], mark.foreground, ""
            for column in range(first, last):
                if cells[column][1] == IDLE:
                    cells[column] = cell
            if mark.letter and mark.most and cells[first] is cell:
                cells[first] = mark.letter, mark.foreground, ""
            continue
        blocks = mark.foreground == "error"
        for column in range(first, last):
            char, foreground, background = cells[column]
            if foreground == IDLE and not blocks:
                cells[column] = glyphs.awaits[0], mark.foreground, ""
            elif blocks or char == glyphs.full[1]:
                color = mark.foreground if blocks else foreground
                cells[column] = glyphs.awaits_held, color, background
        if blocks:
            kept.update(range(first, last))
        if mark.letter:
            _write(cells, first, last, mark, glyphs)
    return kept


def _write(cells: list[Cell], first: int, last: int, mark: WaitMark, glyphs: Glyphs) -> None:
    """Write the name, or else the letter, into the columns of a mark."""
    room = last - first - 2
    name = mark.name
    if len(name) > room >= _SHORTEST_NAMED:
        name = f"{name[: room - 1]}…" if glyphs.full[1] == "█" else name[:room]
    char, foreground, _ = cells[first]
    on_bar = char == glyphs.awaits_held
    if not on_bar and foreground != mark.foreground:
        return  # an enter or a cleanup, which has its own pattern
    if on_bar and mark.foreground != "error":
        # The name of the resource is drawn at the start of the bar: the letter is at the end.
        if last - first > 1:
            cells[last - 1] = mark.letter, "name", cells[last - 1][1]
        return
    if 0 < len(name) <= room:
        start, text = first + 1, name
    else:
        start, text = first, mark.letter
    for offset, letter in enumerate(text):
        column = start + offset
        color = ("name", cells[column][1]) if on_bar else (mark.foreground, "")
        cells[column] = letter, *color
