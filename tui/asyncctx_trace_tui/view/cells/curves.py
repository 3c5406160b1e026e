"""Curves as block characters: how many tasks exist, wait or hold in each column."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from asyncctx_trace_tui.view.cells.drawing import CellSegment
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.lanes.group_curves import GroupCurve
from asyncctx_trace_tui.view.time_axis.viewport import Viewport

__all__ = ["draw_curve", "draw_group"]


def draw_group(curve: GroupCurve, viewport: Viewport, glyphs: Glyphs) -> list[CellSegment]:
    """Draw how many tasks of a group exist, in the color of what most of them do.

    The height is relative to the most that exist at once. Tasks that never acquire anything are
    drawn like waits for other things.
    """
    alive, waiting = curve.alive.means(viewport), curve.waiting.means(viewport)
    text = draw_curve(alive, curve.alive.most, glyphs)
    busy = "hold" if curve.acquires else "await"
    colors = ["wait" if 2 * some > all else busy for all, some in zip(alive, waiting, strict=True)]
    segments, column = [], 0
    for color, same in groupby(colors):
        end = column + len(list(same))
        segments.append(CellSegment(text[column:end], color, ""))
        column = end
    return segments


def draw_curve(
    means: Sequence[float], most: int, glyphs: Glyphs, *, tall: int = 1, part: int = 0
) -> str:
    """Return one line of a curve that is ``tall`` lines high; ``part`` 0 is the line on top.

    Even the smallest value is visible; ``most`` fills all lines.
    """
    steps = glyphs.heights
    below = (tall - 1 - part) * len(steps)
    cells = []
    for mean in means:
        level = max(1, round(mean / most * tall * len(steps))) if mean > 0 else 0
        here = min(max(level - below, 0), len(steps))
        cells.append(steps[here - 1] if here else " ")
    return "".join(cells)
