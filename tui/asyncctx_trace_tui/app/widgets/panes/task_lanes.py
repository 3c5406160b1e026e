"""The view of tasks: a lane per task with its acquisitions, and the arrow of a wake-up."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import islice, takewhile
from typing import NamedTuple

from asyncctx_trace.analysis.contention.wakeups import wakeups
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.names import resource_name, task_name
from asyncctx_trace.model.text import plain
from asyncctx_trace_tui.app.widgets.palette import task_color
from asyncctx_trace_tui.app.widgets.time_rows import LineLabel, TimeRows
from asyncctx_trace_tui.view.cells.drawing import CellSegment, draw
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.lanes.lane_set import Lane
from asyncctx_trace_tui.view.lanes.tracks import Track
from asyncctx_trace_tui.view.state import ViewState

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
        return line.track.render_key(now), now // 8 if ended is None else ended

    def shared_key(self) -> Hashable:
        return self._thick, self.state.row, self._arrow_for()

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
            # Alternate the color by depth, so that touching bars can be distinguished.
            holder=(lambda _: "hold-within") if line.depth % 2 else None,
        )

    def _life(self, task: int) -> tuple[int, int, str]:
        """Return start, end and glyph of the lifeline of a task."""
        timeline = self.state.timeline
        first = timeline.enter_started[timeline.rows_of_task[task][0]]
        defined = timeline.tasks.get(task)
        if defined is not None:
            first = min(first, defined.at)
        ended = timeline.task_ended.get(task, self.state.now)
        glyph = self.glyphs.alive if self._thick % 2 else self.glyphs.alive_low
        return max(first, self.state.origin), ended, glyph

    # -- arrows -----------------------------------------------------------------------------

    def overlay(self, line: LaneLine) -> dict[int, tuple[str, str]]:
        return {**self._brackets(line), **self._arrow[1].get(line, {})}

    def _brackets(self, line: LaneLine) -> dict[int, tuple[str, str]]:
        """Return the brackets around the selected acquisition, as far as it is visible."""
        state, row = self.state, self.state.row
        timeline, viewport = state.timeline, state.viewport
        if row is None or line.track is None or timeline.task[row] != line.task:
            return {}
        ended = timeline.acquisition(row).ended
        first = viewport.column_of(timeline.enter_started[row])
        last = viewport.column_of(state.now if ended is None else ended)
        if timeline.depth[row] != line.depth or last < 0 or first >= viewport.width:
            return {}
        right = {min(last, viewport.width - 1): ("]", "arrow")}
        return {**right, max(first, 0): ("[", "arrow")}

    def _arrow_for(self) -> Hashable:
        """Draw the arrow from the exit that unblocked the selected acquisition, if any."""
        state = self.state
        row, source = state.selected_row, None
        if row is not None and not (state.playback.playing or state.playback.following):
            woken = state.answer(wakeups)
            source = None if woken is None else woken.get(row)
        if row is None or source is None:
            self._arrow = None, {}
        else:
            key = row, source, state.viewport, len(self.lines), self._thick
            if key != self._arrow[0]:
                self._arrow = key, self._draw_arrow(source, row)
        return self._arrow[0]

    def _draw_arrow(self, source: int, row: int) -> dict[LaneLine, dict[int, tuple[str, str]]]:
        timeline, viewport = self.state.timeline, self.state.viewport
        column = viewport.column_of(timeline.enter_ended[row])
        first, last = self._line_of(source), self._line_of(row)
        if first is None or last is None or not 0 <= column < viewport.width:
            return {}
        down = last > first
        between = range(first + 1, last) if down else range(last + 1, first)
        found = {self.lines[y]: {column: (self.glyphs.arrow_body, "arrow")} for y in between}
        found[self.lines[first]] = {column: (self.glyphs.arrow_start[down], "arrow")}
        found[self.lines[last]] = {column: (self.glyphs.arrow_end[down], "arrow")}
        return found

    def _line_of(self, row: int) -> int | None:
        timeline = self.state.timeline
        task, depth = timeline.task[row], timeline.depth[row]
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
            return None
        a = timeline.acquisition(row)
        phase = a.phase_at(at)
        span = a.span_of(phase, state.now) if phase is not None else None
        if phase is None or span is None:
            return None
        return (
            f"{task_name(timeline, a.task)} {_PHASES[phase]} "
            f"`{resource_name(timeline, a.resource)}`\n{format_duration(span[1] - span[0])}"
            f" · {state.snapshot.site_label(a.site)}"
        )

    def row_at(self, line: LaneLine, at: int) -> int | None:
        """Return the acquisition on a line at a time."""
        return line.track.row_at(at) if line.track is not None else None

    def selected_item(self) -> Hashable:
        return self.state.task, self.state.row

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
