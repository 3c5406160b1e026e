"""What is drawn over lanes: brackets around the selection, the arrow of a wake-up."""

from __future__ import annotations

from typing import NamedTuple

from asyncctx_trace.analysis.contention.wakeups import wakeups
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.lane_view.lane_lines import LaneLayout, LaneLine
from asyncctx_trace_tui.view.lanes.arrangement import Row
from asyncctx_trace_tui.view.state import ViewState

__all__ = ["Arrow", "Overlay", "arrow_of", "brackets", "draw_arrow"]

Overlay = dict[int, tuple[str, str]]
"""Column -> glyph and color."""


class Arrow(NamedTuple):
    """An arrow from what one task released to what another got, at one time."""

    source: tuple[int, int]
    """Task and depth."""
    target: tuple[int, int]
    at: int


def arrow_of(state: ViewState) -> Arrow | None:
    """Return the arrow to the end of the selected wait or enter, if it is known who ended it."""
    timeline = state.timeline
    if state.playback.playing or state.playback.following:
        return None
    waits = timeline.waits
    wait = state.selected_wait if state.row is None else None
    if wait is not None and waits.woken_by[wait] in state.tracks.lanes:
        target = waits.task[wait], depth_of_wait(state, wait)
        return Arrow((waits.woken_by[wait], 0), target, waits.ended[wait])
    row = state.selected_row
    woken = None if row is None else state.answer(wakeups)
    source = None if woken is None or row is None else woken.get(row)
    if row is None or source is None:
        return None
    task, depth = timeline.task, timeline.depth
    ends = (task[source], depth[source]), (task[row], depth[row])
    return Arrow(*ends, timeline.enter_ended[row])


def draw_arrow(
    arrow: Arrow, layout: LaneLayout, state: ViewState, glyphs: Glyphs
) -> dict[LaneLine, Overlay]:
    """Return what to draw over each line for an arrow."""
    column = state.viewport.column_of(arrow.at)
    first, last = (_line_at(layout, state, *end) for end in (arrow.source, arrow.target))
    if first is None or last is None or first == last:
        return {}
    if not 0 <= column < state.viewport.width:
        return {}
    down = last > first
    between = range(first + 1, last) if down else range(last + 1, first)
    lines = layout.lines
    found = {lines[y]: {column: (glyphs.arrow_body, "arrow")} for y in between}
    found[lines[first]] = {column: (glyphs.arrow_start[down], "arrow")}
    found[lines[last]] = {column: (glyphs.arrow_end[down], "arrow")}
    return found


def brackets(line: LaneLine, state: ViewState) -> Overlay:
    """Return the brackets around the selected acquisition or wait, as far as visible."""
    viewport, timeline, row, wait = state.viewport, state.timeline, state.row, state.wait
    if line.track is None or state.task is None or line.row is not state.row_of(state.task):
        return {}
    if row is not None and timeline.task[row] == state.task:
        depth, started = timeline.depth[row], timeline.enter_started[row]
        ended = timeline.acquisition(row).ended
    elif wait is not None:
        started, end = timeline.waits.started[wait], timeline.waits.ended[wait]
        depth = depth_of_wait(state, wait)
        ended = None if end == NOT_YET else end
    else:
        return {}
    first = viewport.column_of(started)
    last = viewport.column_of(state.now if ended is None else ended)
    is_other = depth != line.depth and not _is_flat(state, line.row)
    if is_other or last < 0 or first >= viewport.width:
        return {}
    right = {min(last, viewport.width - 1): ("]", "arrow")}
    return {**right, max(first, 0): ("[", "arrow")}


def depth_of_wait(state: ViewState, wait: int) -> int:
    """Return the depth of the track on which a wait is drawn."""
    waits = state.timeline.waits
    task = waits.task[wait]
    folded = task in state.lane_order.folded
    return 0 if folded else state.tracks.lanes[task].depths_at([waits.started[wait]])[0]


def _is_flat(state: ViewState, row: Row | None) -> bool:
    group = None if state.task is None else state.arrangement.group_of(state.task)
    return group is not None and group.key not in state.lane_order.unfolded and row is not None


def _line_at(layout: LaneLayout, state: ViewState, task: int, depth: int) -> int | None:
    """Return the index of the line that shows a depth of a task, in the middle of its track."""
    middle = (layout.thick - 1) // 2
    lines = [each for each in layout.lines_of(state.row_of(task)) if each[1].part == middle]
    tracks = [(y, line) for y, line in lines if line.track is not None]
    exact = next((y for y, line in tracks if line.depth == depth), None)
    # A row that is flat has one line for all depths.
    return tracks[0][0] if exact is None and len(tracks) == 1 else exact
