"""The cell of a column: glyph, foreground and background for its time per phase."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from asyncctx_trace_tui.view.tracks.shares import Run, Shares

if TYPE_CHECKING:
    from asyncctx_trace_tui.view.cells.glyphs import Glyphs
    from asyncctx_trace_tui.view.tracks.numpy_tracks import Columns

__all__ = ["HOLD", "IDLE", "Cell", "cell_of", "cells_of"]

PHASES = ("wait", "hold", "cleanup")
HOLD = PHASES[1]
IDLE = "idle"

_BACKGROUNDS = ("", "", "cleanup-back")
"""The background of each phase; hatching alone would be too faint."""

Cell: TypeAlias = tuple[str, str, str]
"""Glyph, foreground color name, background color name."""

_known: dict[int, dict[int, Cell]] = {}
"""Glyph set -> features of a column, as in :func:`cells_of` -> cell."""


def cell_of(run: Run, slice: int, glyphs: Glyphs) -> Cell:
    """Return the cell of one column of ``slice`` ns."""
    shares = run.shares
    wait, hold, cleanup = shares
    first = 0 if wait >= hold and wait >= cleanup else 1 if hold >= cleanup else 2
    others = ((1, 2), (0, 2), (0, 1))[first]
    second = others[0] if shares[others[0]] >= shares[others[1]] else others[1]
    if shares[first] == slice:
        return glyphs.full[first], PHASES[first], _BACKGROUNDS[first]
    idle = slice - sum(shares)
    if shares[second] * 8 >= slice:
        return _two(shares, slice, idle, first, second, glyphs)
    foreground = PHASES[first]
    share = sum(shares) / slice
    if first != 1:
        if share < 0.25:
            return glyphs.little[first], foreground, ""
        return glyphs.full[first], foreground, _BACKGROUNDS[first]
    level = min(7, int(share * 8))
    left, right = run.touches
    if left and not right:
        return glyphs.lefts[level], foreground, ""
    if right and not left:
        return glyphs.rights[level], foreground, ""
    return glyphs.heights[level], foreground, ""


def _two(shares: Shares, slice: int, idle: int, first: int, second: int, glyphs: Glyphs) -> Cell:
    """Return the cell of a column in which two phases take much of the time."""
    if idle * 8 >= slice:
        return glyphs.mixed, PHASES[first], PHASES[second]
    earlier, later = min(first, second), max(first, second)
    level = min(6, max(0, round(shares[earlier] * 8 / slice) - 1))
    # As dense as the glyph of a wait, or the edge of the wait would look solid.
    foreground = "wait-back" if earlier == 0 else PHASES[earlier]
    return glyphs.lefts[level], foreground, "cleanup-back" if later == 2 else PHASES[later]


def cells_of(columns: Columns, slice: int, glyphs: Glyphs) -> tuple[list[int], list[Cell]]:
    """Return the columns that are not empty, and their cells, equal to those of :func:`cell_of`.

    A cell depends on few features: which phases take most of the time, and how many eighths.
    Columns with equal features share one cell.
    """
    import numpy as np

    total = columns.shares.sum(axis=0)
    busy = np.flatnonzero(total)
    shares, total = columns.shares[:, busy], total[busy]
    left, right = columns.left[busy], columns.right[busy]
    first = shares.argmax(axis=0)
    each = np.arange(len(busy))
    most = shares[first, each]
    others = shares.copy()
    others[first, each] = -1
    second = others.argmax(axis=0)
    next_most = shares[second, each]
    eighths = (total / slice * 8).astype(np.int64)
    edge = np.rint(shares[np.minimum(first, second), each] * 8 / slice).astype(np.int64)
    codes = first
    for feature, values in (
        *((second, 3), (eighths, 9), (edge, 9), (most == slice, 2), (next_most * 8 >= slice, 2)),
        *(((slice - total) * 8 >= slice, 2), (left, 2), (right, 2)),
    ):
        codes = codes * values + feature
    known = _known.setdefault(id(glyphs), {})
    numbers = codes.tolist()
    for code in set(numbers).difference(known):
        one = numbers.index(code)
        touches = bool(left[one]), bool(right[one])
        run = Run(0, 1, Shares(*shares[:, one].tolist()), 0, touches)
        known[code] = cell_of(run, slice, glyphs)
    return busy.tolist(), [known[code] for code in numbers]
