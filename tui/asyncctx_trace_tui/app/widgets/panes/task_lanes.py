"""The view of tasks: a lane per task, or a row for several, and the arrow of a wake-up."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from asyncctx_trace.model.command_line import process_label
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.names import resource_name, task_name
from asyncctx_trace.model.text import plain, shorten
from asyncctx_trace_tui.app.widgets.palette import task_color
from asyncctx_trace_tui.app.widgets.time_rows import LineLabel, TimeRows
from asyncctx_trace_tui.view.cells.curves import draw_group
from asyncctx_trace_tui.view.cells.drawing import CellSegment, draw
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.cells.wait_marks import WaitMark
from asyncctx_trace_tui.view.descriptions.wait_text import (
    describe_end,
    describe_length,
    describe_wait,
)
from asyncctx_trace_tui.view.lane_view.lane_arrows import Overlay, arrow_of, brackets, draw_arrow
from asyncctx_trace_tui.view.lane_view.lane_lines import LaneLayout, LaneLine, lay_out
from asyncctx_trace_tui.view.lane_view.lane_marks import arrange_marks
from asyncctx_trace_tui.view.lanes.arrangement import OpenGroup, ProcessHeading, Row
from asyncctx_trace_tui.view.lanes.group_curves import group_curves
from asyncctx_trace_tui.view.lanes.lane import Lane
from asyncctx_trace_tui.view.lanes.packed_lane import PackedLane
from asyncctx_trace_tui.view.lanes.task_groups import LaneGroup
from asyncctx_trace_tui.view.state import ViewState
from asyncctx_trace_tui.view.tracks.flat_track import FlatTrack

__all__ = ["LaneLine", "Lanes"]

_PHASES = {"enter": "waits for", "body": "holds", "exit": "cleans up"}


class Lanes(TimeRows[LaneLine]):
    """A lane per task, or a row for tasks of a group that run one after the other."""

    empty = "no tasks so far: each task that acquires or waits for something has a lane here"

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__(state, glyphs, id="lanes")
        self._layout = LaneLayout([])
        self._laid_out: Hashable = None
        """The key that the lines were laid out for."""
        self._marks: dict[int, tuple[Hashable, dict[int, list[WaitMark]]]] = {}
        """Identity of a row -> the key that its waits were arranged for, and these by depth."""
        self._arrow: tuple[Hashable, dict[LaneLine, Overlay]] = (None, {})

    def lay_out(self, height: int) -> list[LaneLine]:
        state = self.state
        arrangement, order = state.arrangement, state.lane_order
        wanted = self._wanted_rows() if not arrangement.is_plain else set()
        asked = arrangement, state.tracks.revision, order.revision, height, frozenset(wanted)
        if asked != self._laid_out:
            self._laid_out = asked
            self._layout = lay_out(arrangement, order, height, wanted)
        return self._layout.lines

    def _wanted_rows(self) -> set[Row]:
        """Return the rows that must be visible: of the selected task, and of the arrow's source."""
        arrow = arrow_of(self.state)
        tasks = [self.state.task, arrow.source[0] if arrow is not None else None]
        rows = (None if task is None else self.state.row_of(task) for task in tasks)
        return {row for row in rows if row is not None}

    @property
    def thick(self) -> int:
        """The number of lines per track."""
        return self._layout.thick

    def line_key(self, line: LaneLine) -> Hashable:
        state, row = self.state, line.row
        if row is None:
            return state.answers.revision if isinstance(line.owner, LaneGroup) else ()
        if line.track is None:
            return ()
        if isinstance(row, PackedLane):
            row.collect()
            task = row.tasks[-1]
        else:
            task = row.task
        ended = state.timeline.task_ended.get(task)
        # Redraw a growing bar for every eighth of a column.
        now = 8 * (state.now - state.viewport.start) // state.viewport.per_column
        waits = row.waits.render_key(now)
        return line.track.render_key(now), waits, task, now // 8 if ended is None else ended

    def shared_key(self) -> Hashable:
        state = self.state
        shown = state.row, state.wait, self._stall_count(), self._arrow_for()
        return self.thick, *shown, state.faults

    def _stall_count(self) -> Hashable:
        """Return a value that changes with the stalls, also while one goes on."""
        timeline = self.state.timeline
        started, ended = len(timeline.stalls), len(timeline.stalls_ended)
        return started, ended, self.state.now if self.state.live and started > ended else 0

    @property
    def _middle(self) -> int:
        """The index of the line of a track that shows text."""
        return (self.thick - 1) // 2

    # -- labels -----------------------------------------------------------------------------

    def label_of(self, line: LaneLine) -> LineLabel:
        state, owner = self.state, line.owner
        if isinstance(owner, ProcessHeading):
            return LineLabel(" ", process_label(state.timeline.processes, owner.process), "head")
        if isinstance(owner, LaneGroup | OpenGroup):
            return self._label_of_group(line)
        selected = line.track is not None and state.task is not None
        selected = selected and state.row_of(state.task or 0) is owner
        if line.depth or line.part != self._middle or line.track is None:
            return LineLabel(selected=selected)
        mark = self.glyphs.selected if selected else " "
        if isinstance(owner, PackedLane):
            # The other rows have no name: their tasks change.
            text = task_name(state.timeline, state.task or 0) if selected else ""
            return LineLabel(mark, text, "text", selected)
        if owner.task in state.lane_order.pinned:
            mark = mark.strip() + self.glyphs.pinned
        text = task_name(state.timeline, owner.task)
        if line.hidden:
            text = f"{text} {self.glyphs.folded}{line.hidden}"
        return LineLabel(mark, text, task_color(owner.order), selected)

    def _label_of_group(self, line: LaneLine) -> LineLabel:
        if line.hidden:
            rows = "row" if line.hidden == 1 else "rows"
            return LineLabel(" ", f"{line.hidden:,} more {rows}", "faint")
        is_open = isinstance(line.owner, OpenGroup)
        group = line.owner.group if isinstance(line.owner, OpenGroup) else line.owner
        assert isinstance(group, LaneGroup)
        count = f" ×{len(group):,}" if self.glyphs.full[1] == "█" else f" x{len(group):,}"
        room = max(1, self.names_width - 3 - len(count))
        name = group.key.label
        if len(name) > room:  # without its class or function
            name = name.rpartition(".")[2]
        name = shorten(name, room)
        return LineLabel(self.glyphs.groups[is_open], name + count, "text")

    # -- cells ------------------------------------------------------------------------------

    def cell_segments(self, line: LaneLine) -> Sequence[CellSegment]:
        state, row, track = self.state, line.row, line.track
        blank = [CellSegment(" " * state.viewport.width, "idle", "")]
        if isinstance(line.owner, LaneGroup) and not line.hidden:
            curve = (state.answer(group_curves) or {}).get(line.owner.key)
            return blank if curve is None else draw_group(curve, state.viewport, self.glyphs)
        if row is None or track is None:
            return blank
        middle = line.part == self._middle
        marks = self._marks_of(line)
        return draw(
            track,
            state.viewport,
            state.now,
            self.glyphs,
            alive=self._lives(row) if middle and not line.depth else (),
            label=self.bar_label if middle else None,
            marks=marks if middle else map(WaitMark.unnamed, marks),
            # Alternate the color by depth, so that touching bars can be distinguished.
            holder=(lambda _: "hold-within") if line.depth % 2 else None,
            faults=self._faults_on(line),
        )

    def _faults_on(self, line: LaneLine) -> Iterator[tuple[int, int]]:
        """Yield the times in which a line is red."""
        state, flat = self.state, isinstance(line.track, FlatTrack)
        for fault in state.faults.parts:
            if (flat or line.depth == (fault.depth or 0)) and state.row_of(fault.task) is line.row:
                yield fault.since, fault.until

    def _lives(self, row: Row) -> Iterator[tuple[int, int, str]]:
        """Yield start, end and glyph of the lifelines of the tasks of a row."""
        if isinstance(row, Lane):
            yield self._life(row.task)
        else:
            glyph = self.glyphs.alive
            for since, until in row.lives_in(self.state.viewport, self.state.now):
                yield since, until, glyph

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
        glyph = self.glyphs.alive if self.thick % 2 else self.glyphs.alive_low
        return max(first, self.state.origin), ended, glyph

    def _marks_of(self, line: LaneLine) -> list[WaitMark]:
        """Return the waits and stalls to draw on a line."""
        state, row = self.state, line.row
        assert row is not None
        key = state.viewport, self.line_key(line), len(row.tracks), self._stall_count()
        known = self._marks.get(id(row))
        if known is None or known[0] != key:
            if len(self._marks) > 4 * max(50, self.size.height):
                self._marks.clear()
            group_rows = state.tracks.group_rows
            tasks: set[int] = set()
            if isinstance(row, Lane):
                tasks = {row.task}
            elif group_rows or state.stalls:
                tasks = set(row.tasks_in(state.viewport))
            found = arrange_marks(
                row,
                sorted(each for task in tasks for each in group_rows.get(task, ())),
                [stall for stall in state.stalls if stall.started.task in tasks],
                state.viewport,
                state.now,
                folded=line.hidden > 0 or isinstance(line.track, FlatTrack),
            )
            known = self._marks[id(row)] = key, found
        return known[1].get(line.depth, [])

    # -- arrows -----------------------------------------------------------------------------

    def overlay(self, line: LaneLine) -> Overlay:
        return {**brackets(line, self.state), **self._arrow[1].get(line, {})}

    def _arrow_for(self) -> Hashable:
        """Draw the arrow to the end of the selected wait or enter, if it is known who ended it."""
        arrow = arrow_of(self.state)
        if arrow is None:
            self._arrow = None, {}
            return None
        key = arrow, self.state.viewport, len(self.lines), self.thick, self._laid_out
        if key != self._arrow[0]:
            self._arrow = key, draw_arrow(arrow, self._layout, self.state, self.glyphs)
        return key

    # -- the mouse --------------------------------------------------------------------------

    def tooltip_for(self, line: LaneLine, at: int | None) -> str | None:
        state = self.state
        timeline = state.timeline
        if isinstance(line.owner, LaneGroup):
            return self._tooltip_of_group(line.owner)
        if line.row is None:
            return None
        if at is None or line.track is None:
            defined = timeline.tasks.get(line.row.task_at(state.playback.at))
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

    def _tooltip_of_group(self, group: LaneGroup) -> str:
        tasks, rows = f"{len(group):,} tasks", f"at most {len(group.rows):,} at once"
        return f"{plain(group.key.label)[:500]}: {tasks}, {rows}\nEnter opens the group"

    def _tooltip_of_wait(self, wait: int) -> str:
        timeline = self.state.timeline
        ending = describe_end(timeline, wait)
        length = describe_length(timeline, wait, self.state.now)
        return f"{describe_wait(timeline, wait)}\n{length}" + (f" · {ending}" if ending else "")

    def wait_at(self, line: LaneLine, at: int) -> int | None:
        """Return the wait of the task of a line at a time."""
        if line.track is None or line.row is None:
            return None
        return line.row.waits.row_at(at)

    def stall_at(self, line: LaneLine, at: int) -> int | None:
        """Return the stall that the task of a line caused at a time."""
        if line.track is None or line.row is None:
            return None
        for stall in self.state.stalls:
            if stall.started.task == line.row.task_at(at) and stall.covers(at):
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
        found = list(self._layout.lines_of(state.row_of(state.task)))
        if state.row is not None and state.timeline.task[state.row] == state.task:
            depth = state.timeline.depth[state.row]
            found = [(y, line) for y, line in found if line.depth == depth] or found
        return range(found[0][0], found[-1][0] + 1) if found else range(0)

    def open_group(self, task: int) -> bool:
        """Open the group of a task, or close it; returns whether it is in one."""
        state = self.state
        arrangement = state.arrangement
        group = arrangement.group_of(task) or arrangement.opened_group_of(task)
        if group is None:
            return False
        state.lane_order.open(group.key, has_hidden_rows=self._layout.hides_rows_of(group))
        return True
