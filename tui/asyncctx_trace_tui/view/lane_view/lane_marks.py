"""The waits of a task for other things than managers, and its stalls, by the track to draw on."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator, Sequence

from asyncctx_trace.analysis.loop_stalls import Stall
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace_tui.view.cells.glyphs import KIND_LETTERS, STALL_LETTER
from asyncctx_trace_tui.view.cells.wait_marks import WaitMark
from asyncctx_trace_tui.view.descriptions.wait_text import BY_THEMSELVES, wait_label
from asyncctx_trace_tui.view.lanes.lane import TrackStack
from asyncctx_trace_tui.view.time_axis.viewport import Viewport
from asyncctx_trace_tui.view.tracks.shares import WaitRun

__all__ = ["arrange_marks"]

_STYLES = {
    int(kind): (letter, "faint" if kind in BY_THEMSELVES else "await")
    for kind, letter in KIND_LETTERS.items()
}
"""Kind -> its letter and color."""
_NAMED_FROM = 7
"""The number of columns from which a wait may show its name."""


def arrange_marks(
    lane: TrackStack,
    group_rows: Sequence[int],
    stalls: Iterable[Stall],
    viewport: Viewport,
    now: int,
    *,
    folded: bool,
) -> dict[int, list[WaitMark]]:
    """Return depth -> what to draw over the track of that depth.

    A wait belongs to the innermost acquisition that is open when it begins. ``group_rows``: the
    acquisitions of task groups by the tasks of ``lane``, in order; their exits are waits for
    children. ``stalls``: those that its tasks caused. ``folded``: only one line is visible.
    """
    timeline, step = lane.timeline, viewport.per_column
    runs = lane.waits.merged_runs(viewport, now)
    whole = [run for run in runs if run.share == step]
    stalls = [s for s in stalls if s.until > viewport.start and s.since < viewport.end]
    times = [viewport.time_of(run.column) for run in whole]
    times += [stall.since for stall in stalls]
    depths = [0] * len(times) if folded else lane.depths_at(times)
    found: dict[int, list[WaitMark]] = {
        0: _short_marks(timeline, runs, step, {run.row for run in whole})
    }
    for run, depth in zip(whole, depths, strict=False):
        letter, foreground = _STYLES[timeline.waits.kind[run.row]]
        name = wait_label(timeline, run.row) if run.length >= _NAMED_FROM else ""
        name = name if name.isascii() else ""
        mark = _full_mark(run.column, run.length, letter, name, foreground)
        found.setdefault(depth, []).append(mark)
    for depth, mark in children_marks(timeline, group_rows, viewport, now):
        found.setdefault(0 if folded else depth, []).append(mark)
    for stall, depth in zip(stalls, depths[len(whole) :], strict=True):
        first = max(0, viewport.column_of(stall.since))
        # The watchdog notices the end a little late; by then the task may wait again.
        index = lane.waits.index_at(stall.started.at) + 1
        until = min([stall.until, *lane.waits.starts[index : index + 1]])
        last = min(viewport.width - 1, max(first, viewport.column_of(until - 1)))
        mark = _full_mark(first, last - first + 1, STALL_LETTER, "blocks the event loop", "error")
        found.setdefault(depth, []).append(mark)
    return found


def _short_marks(
    timeline: Timeline, runs: Iterable[WaitRun], step: int, named: Container[int]
) -> list[WaitMark]:
    """Return the marks of columns that no wait fills.

    The letters of waits in ``named`` are in other columns.
    """
    kinds = timeline.waits.kind
    marks: list[WaitMark] = []
    for column, length, row, share in runs:
        if share < step:
            letter, foreground = _STYLES[kinds[row]]
            letter = "" if row in named else letter
            marks.append(WaitMark(column, length, letter, "", foreground, False, 2 * share >= step))
    return marks


def children_marks(
    timeline: Timeline, rows: Sequence[int], viewport: Viewport, now: int
) -> Iterator[tuple[int, WaitMark]]:
    """Yield depth and mark of the exits of task groups, as far as they fill columns.

    ``rows`` are acquisitions of task groups, in order.
    """
    last = bisect_left(rows, viewport.end, key=timeline.enter_started.__getitem__)
    for row in rows[max(0, last - viewport.width) : last]:
        started, ended = timeline.exit_started[row], timeline.exit_ended[row]
        if started == NOT_YET:
            continue
        ended = min(now if ended == NOT_YET else ended, viewport.end)
        column = max(0, -(-(started - viewport.start) // viewport.per_column))
        length = (ended - viewport.start) // viewport.per_column - column
        if length > 0:
            letter = KIND_LETTERS[WaitKind.TASKS]
            yield timeline.depth[row], _full_mark(column, length, letter, "children", "await")


def _full_mark(column: int, length: int, letter: str, name: str, foreground: str) -> WaitMark:
    return WaitMark(column, length, letter, name, foreground, whole=True, most=True)
