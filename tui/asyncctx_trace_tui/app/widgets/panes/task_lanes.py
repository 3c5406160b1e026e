"""The view of tasks: a lane per task with its acquisitions, and the arrow of a wake-up."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import islice, takewhile
from typing import NamedTuple

from asyncctx_trace.analysis.contention.wakeups import wakeups
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.names import resource_name, task_name
from asyncctx_trace.model.text import plain
from asyncctx_trace_tui.app.widgets.palette import task_color
from asyncctx_trace_tui.app.widgets.time_rows import LineLabel, TimeRows
from asyncctx_trace_tui.view.cells.drawing import CellSegment, draw
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.cells.wait_marks import WaitMark
from asyncctx_trace_tui.view.lane_marks import arrange_marks
from asyncctx_trace_tui.view.lanes.lane_set import Lane
from asyncctx_trace_tui.view.lanes.tracks import Track
from asyncctx_trace_tui.view.state import ViewState
from asyncctx_trace_tui.view.wait_text import describe_end, describe_length, describe_wait

__all__ = ["LaneLine", "Lanes"]

_THICKEST = 3
"""The largest number of lines per track."""
_PHASES = {"enter": "waits for", "body": "holds", "exit": "cleans up"}


class LaneLine(NamedTuple):
    """One line of the view."""

    task: int
    track: Track | None
    """``None`` for the space between lanes."""
    depth: int
    part: int = 0
    """The index of the line within its track."""
    hidden: int = 0
    """Number of folded tracks below."""


class Lanes(TimeRows[LaneLine]):
    """A lane per task, in the order that the user has chosen."""

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__(state, glyphs, id="lanes")
        self._thick = 1
        self._lines: list[LaneLine] = []
        self._laid_out: Hashable = None
        """The key that the lines were laid out for."""
        self._first: dict[int, int] = {}
        """Task -> the index of its first line."""
        self._marks: dict[int, tuple[Hashable, dict[int, list[WaitMark]]]] = {}
        """Task -> the key that its waits were arranged for, and these by depth."""
        self._arrow: tuple[Hashable, dict[LaneLine, dict[int, tuple[str, str]]]] = (None, {})

    def lay_out(self, height: int) -> list[LaneLine]:
        state = self.state
        lanes, lane_order = state.lanes, state.lane_order
        asked = id(lanes), state.tracks.revision, lane_order.revision, height
        if asked != self._laid_out:
            self._laid_out = asked
            self._lines = self._lay_out(lanes, lane_order.folded, height)
        return self._lines

    def _lay_out(self, lanes: list[Lane], folded: set[int], height: int) -> list[LaneLine]:
        tracks = {lane.task: lane.tracks[: 1 if lane.task in folded else None] for lane in lanes}
        needed = sum(map(len, tracks.values()))
        spaced = needed + len(lanes) <= height
        free = height - len(lanes)
        self._thick = max(1, min(_THICKEST, free // needed)) if spaced and needed else 1
        self._first = {}
        lines: list[LaneLine] = []
        for lane in lanes:
            shown = tracks[lane.task]
            hidden = len(lane.tracks) - len(shown)
            self._first[lane.task] = len(lines)
            lines += [
                LaneLine(lane.task, track, depth, part, hidden)
                for depth, track in enumerate(shown)
                for part in range(self._thick)
            ]
            if spaced:
                lines.append(LaneLine(lane.task, None, len(lane.tracks)))
        return lines

    def _lines_of(self, task: int) -> Iterator[tuple[int, LaneLine]]:
        """Yield the lines of a task with their indexes."""
        if task in self._first:
            first = self._first[task]
            own = takewhile(lambda line: line.task == task, islice(self.lines, first, None))
            yield from enumerate(own, first)

    def line_key(self, line: LaneLine) -> Hashable:
        if line.track is None:
            return ()
        state = self.state
        ended = state.timeline.task_ended.get(line.task)
        # Redraw a growing bar for every eighth of a column.
        now = 8 * (state.now - state.viewport.start) // state.viewport.per_column
        lane = state.tracks.lanes[line.task]
        waits = lane.waits.render_key(now)
        return line.track.render_key(now), waits, now // 8 if ended is None else ended

    def shared_key(self) -> Hashable:
        state = self.state
        return self._thick, state.row, state.wait, self._stall_count(), self._arrow_for()

    def _stall_count(self) -> Hashable:
        """Return a value that changes with the stalls, also while one goes on."""
        timeline = self.state.timeline
        started, ended = len(timeline.stalls), len(timeline.stalls_ended)
        return started, ended, self.state.now if self.state.live and started > ended else 0

    @property
    def _middle(self) -> int:
        """The index of the line of a track that shows text."""
        return (self._thick - 1) // 2

    def label_of(self, line: LaneLine) -> LineLabel:
        state = self.state
        selected = line.task == state.task and line.track is not None
        if line.depth or line.part != self._middle or line.track is None:
            return LineLabel(selected=selected)
        mark = self.glyphs.selected if selected else " "
        if line.task in state.lane_order.pinned:
            mark = mark.strip() + self.glyphs.pinned
        text = task_name(state.timeline, line.task)
        if line.hidden:
            text = f"{text} {self.glyphs.folded}{line.hidden}"
        return LineLabel(mark, text, task_color(state.tracks.lanes[line.task].order), selected)

    def cell_segments(self, line: LaneLine) -> Sequence[CellSegment]:
        state = self.state
        if line.track is None:
            return [CellSegment(" " * state.viewport.width, "idle", "")]
        middle = line.part == self._middle
        return draw(
            line.track,
            state.viewport,
            state.now,
            self.glyphs,
            alive=self._life(line.task) if middle and not line.depth else None,
            label=self.bar_label if middle else None,
            marks=self._marks_of(line) if middle else map(WaitMark.unnamed, self._marks_of(line)),
            # Alternate the color by depth, so that touching bars can be distinguished.
            holder=(lambda _: "hold-within") if line.depth % 2 else None,
        )

    def _life(self, task: int) -> tuple[int, int, str]:
        """Return start, end and glyph of the lifeline of a task."""
        timeline = self.state.timeline
        acquired, waited = timeline.rows_of_task.get(task), timeline.waits.rows_of_task.get(task)
        first = min(
            timeline.enter_started[acquired[0]] if acquired else self.state.now,
            timeline.waits.started[waited[0]] if waited else self.state.now,
        )
        defined = timeline.tasks.get(task)
        if defined is not None:
            first = min(first, defined.at)
        ended = timeline.task_ended.get(task, self.state.now)
        glyph = self.glyphs.alive if self._thick % 2 else self.glyphs.alive_low
        return max(first, self.state.origin), ended, glyph

    # -- waits for other things -------------------------------------------------------------

    def _marks_of(self, line: LaneLine) -> list[WaitMark]:
        """Return the waits and stalls to draw on a line."""
        state = self.state
        lane = state.tracks.lanes[line.task]
        key = state.viewport, self.line_key(line), len(lane.tracks), self._stall_count()
        known = self._marks.get(line.task)
        if known is None or known[0] != key:
            if len(self._marks) > 4 * max(50, self.size.height):
                self._marks.clear()
            found = arrange_marks(
                lane,
                state.tracks.group_rows.get(line.task, []),
                [stall for stall in state.stalls if stall.started.task == line.task],
                state.viewport,
                state.now,
                folded=line.hidden > 0,
            )
            known = self._marks[line.task] = key, found
        return known[1].get(line.depth, [])

    # -- arrows -----------------------------------------------------------------------------

    def overlay(self, line: LaneLine) -> dict[int, tuple[str, str]]:
        return {**self._brackets(line), **self._arrow[1].get(line, {})}

    def _brackets(self, line: LaneLine) -> dict[int, tuple[str, str]]:
        """Return the brackets around the selected acquisition or wait, as far as visible."""
        state, viewport = self.state, self.state.viewport
        timeline, row, wait = state.timeline, state.row, state.wait
        if line.track is None or line.task != state.task:
            return {}
        if row is not None and timeline.task[row] == line.task:
            depth, started = timeline.depth[row], timeline.enter_started[row]
            ended = timeline.acquisition(row).ended
        elif wait is not None:
            started, end = timeline.waits.started[wait], timeline.waits.ended[wait]
            depth = self._depth_of_wait(wait)
            ended = None if end == NOT_YET else end
        else:
            return {}
        first = viewport.column_of(started)
        last = viewport.column_of(state.now if ended is None else ended)
        if depth != line.depth or last < 0 or first >= viewport.width:
            return {}
        right = {min(last, viewport.width - 1): ("]", "arrow")}
        return {**right, max(first, 0): ("[", "arrow")}

    def _depth_of_wait(self, wait: int) -> int:
        waits = self.state.timeline.waits
        task = waits.task[wait]
        folded = task in self.state.lane_order.folded
        lane = self.state.tracks.lanes[task]
        return 0 if folded else lane.depths_at([waits.started[wait]])[0]

    def _arrow_for(self) -> Hashable:
        """Draw the arrow to the end of the selected wait or enter, if it is known who ended it."""
        ends = self._arrow_ends()
        if ends is None:
            self._arrow = None, {}
            return None
        key = ends, self.state.viewport, len(self.lines), self._thick
        if key != self._arrow[0]:
            (start, start_depth), (end, end_depth), at = ends
            first, last = self._line_at(start, start_depth), self._line_at(end, end_depth)
            self._arrow = key, self._draw_arrow(first, last, at)
        return key

    def _arrow_ends(self) -> tuple[tuple[int, int], tuple[int, int], int] | None:
        """Return task and depth at both ends of the arrow, and its time."""
        state, timeline = self.state, self.state.timeline
        if state.playback.playing or state.playback.following:
            return None
        waits = timeline.waits
        wait = state.selected_wait if state.row is None else None
        if wait is not None and waits.woken_by[wait] in state.tracks.lanes:
            end = waits.task[wait], self._depth_of_wait(wait)
            return (waits.woken_by[wait], 0), end, waits.ended[wait]
        row = state.selected_row
        woken = None if row is None else state.answer(wakeups)
        source = None if woken is None or row is None else woken.get(row)
        if row is None or source is None:
            return None
        task, depth = timeline.task, timeline.depth
        return (task[source], depth[source]), (task[row], depth[row]), timeline.enter_ended[row]

    def _draw_arrow(
        self, first: int | None, last: int | None, at: int
    ) -> dict[LaneLine, dict[int, tuple[str, str]]]:
        """Draw an arrow from one line to another at the time ``at``."""
        column = self.state.viewport.column_of(at)
        if first is None or last is None or first == last:
            return {}
        if not 0 <= column < self.state.viewport.width:
            return {}
        down = last > first
        between = range(first + 1, last) if down else range(last + 1, first)
        found = {self.lines[y]: {column: (self.glyphs.arrow_body, "arrow")} for y in between}
        found[self.lines[first]] = {column: (self.glyphs.arrow_start[down], "arrow")}
        found[self.lines[last]] = {column: (self.glyphs.arrow_end[down], "arrow")}
        return found

    def _line_at(self, task: int, depth: int) -> int | None:
        return next(
            (
                y
                for y, line in self._lines_of(task)
                if line.depth == depth and line.part == self._middle
            ),
            None,
        )

    # -- the mouse --------------------------------------------------------------------------

    def tooltip_for(self, line: LaneLine, at: int | None) -> str | None:
        state = self.state
        timeline = state.timeline
        if at is None or line.track is None:
            defined = timeline.tasks.get(line.task)
            return plain(defined.name)[:500] if defined is not None else None
        row = line.track.row_at(at)
        if row is None:
            wait = self.wait_at(line, at)
            return None if wait is None else self._tooltip_of_wait(wait)
        a = timeline.acquisition(row)
        phase = a.phase_at(at)
        span = a.span_of(phase, state.now) if phase is not None else None
        if phase is None or span is None:
            return None
        is_group = phase == "exit" and a.resource in state.tracks.groups
        does = "waits for the children of" if is_group else _PHASES[phase]
        return (
            f"{task_name(timeline, a.task)} {does} "
            f"`{resource_name(timeline, a.resource)}`\n{format_duration(span[1] - span[0])}"
            f" · {state.snapshot.site_label(a.site)}"
        )

    def _tooltip_of_wait(self, wait: int) -> str:
        timeline = self.state.timeline
        ending = describe_end(timeline, wait)
        length = describe_length(timeline, wait, self.state.now)
        return f"{describe_wait(timeline, wait)}\n{length}" + (f" · {ending}" if ending else "")

    def wait_at(self, line: LaneLine, at: int) -> int | None:
        """Return the wait of the task of a line at a time."""
        if line.track is None:
            return None
        return self.state.tracks.lanes[line.task].waits.row_at(at)

    def stall_at(self, line: LaneLine, at: int) -> int | None:
        """Return the stall that the task of a line caused at a time."""
        if line.track is None:
            return None
        for stall in self.state.stalls:
            if stall.started.task == line.task and stall.covers(at):
                return stall.started.stall
        return None

    def row_at(self, line: LaneLine, at: int) -> int | None:
        """Return the acquisition on a line at a time."""
        return line.track.row_at(at) if line.track is not None else None

    def selected_item(self) -> Hashable:
        return self.state.task, self.state.row, self.state.wait

    def selected_lines(self) -> range:
        """Return the lines of the selected acquisition, or of the selected task."""
        state = self.state
        if state.task is None:
            return range(0)
        found = list(self._lines_of(state.task))
        if state.row is not None and state.timeline.task[state.row] == state.task:
            depth = state.timeline.depth[state.row]
            found = [(y, line) for y, line in found if line.depth == depth] or found
        return range(found[0][0], found[-1][0] + 1) if found else range(0)
