"""The view of resources: the queue of waiters, and the holders, over time."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from asyncctx_trace.model.constants import PROCESS_SHIFT
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.names import resource_name, task_name
from asyncctx_trace.model.text import plain, shorten
from asyncctx_trace_tui.app.widgets.palette import task_color
from asyncctx_trace_tui.app.widgets.time_rows import LineLabel, TimeRows
from asyncctx_trace_tui.view.cells.curves import draw_curve
from asyncctx_trace_tui.view.cells.drawing import CellSegment, draw
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.descriptions.narration import describe, occupants_at
from asyncctx_trace_tui.view.lane_view.lane_marks import children_marks
from asyncctx_trace_tui.view.resource_view.resource_entries import (
    FEW_UNITS,
    ResourceEntry,
    resource_entries,
)
from asyncctx_trace_tui.view.resource_view.resource_lines import (
    ResourceLayout,
    ResourceLine,
    lay_out,
)
from asyncctx_trace_tui.view.state import COMPUTING, ViewState

__all__ = ["Resources"]


class Resources(TimeRows[ResourceLine]):
    """Per resource: the queue as a filled curve, then its units by holder, or how many are held."""

    empty = "no resources so far: each lock, pool or other manager that is acquired is shown here"

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__(state, glyphs, id="resources")
        self._found: list[ResourceEntry] = []
        self._layout = ResourceLayout([], [])
        self._opened: set[int] = set()
        """The least resource of each entry that is open."""
        self._of_group: int | None = None
        """The resource that was selected in order to select the entry of several."""
        self._orders: dict[int, int] = {}

    def lay_out(self, height: int) -> list[ResourceLine]:
        found = self.state.answer(resource_entries)
        if found is None:
            self.border_title = COMPUTING
            return []
        self.border_title = None
        if found is not self._found:
            self._found = found
            self._orders = {task: order for order, task in enumerate(self.state.tracks.lanes)}
        chosen = self.state.resource
        wanted = chosen if chosen != self._of_group else None
        self._layout = lay_out(found, self._opened, height, wanted)
        return self._layout.lines

    # -- the selection ----------------------------------------------------------------------

    def _selected_entry(self) -> ResourceEntry | None:
        """Return the entry of the selected resource: its own if that is shown, else its group's."""
        resource = self.state.selected_resource
        found = [each for each in self._layout.entries if resource in each.group.resources]
        if resource == self._of_group:
            return found[0] if found else None
        return min(found, key=lambda entry: len(entry.group), default=None)

    def select(self, by: int) -> None:
        """Select the entry ``by`` below the selected one, or above if negative."""
        entries = self._layout.entries
        if entries:
            here = self._selected_entry()
            index = entries.index(here) + by if here is not None else 0
            self.select_entry(entries[min(max(index, 0), len(entries) - 1)])

    def select_entry(self, entry: ResourceEntry) -> None:
        """Select an entry: its resource, or the worst one of several."""
        self.state.resource = entry.resources[0]
        self._of_group = self.state.resource if entry.members else None

    def open_selected(self) -> bool:
        """Show the holders of the selected resource, or its members, or hide them again.

        Returns whether there is something to show.
        """
        entry = self._selected_entry()
        if entry is None or not (entry.members or entry.size > FEW_UNITS):
            return False
        self.select_entry(entry)
        self._opened ^= {min(entry.group.resources)}
        return True

    def selected_item(self) -> Hashable:
        if self.state.resource is None and self.state.row is None:
            return None  # do not scroll while the play head moves
        return self.state.selected_resource

    def selected_lines(self) -> range:
        entry = self._selected_entry()
        found = [
            index
            for index, line in enumerate(self.lines)
            if line.entry is entry and line.kind != "space"
        ]
        return range(found[0], found[-1] + 1) if found else range(0)

    # -- drawing ----------------------------------------------------------------------------

    def line_key(self, line: ResourceLine) -> Hashable:
        state = self.state
        if line.kind != "unit":
            return id(self._found)
        now = 8 * (state.now - state.viewport.start) // state.viewport.per_column
        units = line.entry.units
        return units[line.unit].render_key(now) if line.unit < len(units) else ()

    def shared_key(self) -> Hashable:
        shown = len(self.lines), frozenset(self._opened), self.state.answers.revision
        return *shown, self.state.selected_resource, self.border_title

    def label_of(self, line: ResourceLine) -> LineLabel:
        entry = line.entry
        selected = entry is self._selected_entry() and line.kind != "space"
        match line.kind:
            case "queue" if line.part == 0:
                return LineLabel(
                    self._mark_of(entry, selected), self._title_of(entry), "text", selected
                )
            case "queue" if line.part == 1 and entry.lost:
                lost = format_duration(entry.lost)
                return LineLabel(" ", self._fitting(f"{lost} lost", lost), "wait", selected)
            case "queue" if line.part in (1, 2):
                text = f"up to {entry.queue.most}" if line.part == 1 + bool(entry.lost) else ""
                return LineLabel(" ", text, "wait", selected)
            case "held":
                many = str(entry.held.most)
                if entry.group.capacity and not entry.members:
                    many += f" of {entry.group.capacity}"
                return LineLabel(" ", self._fitting(f"held up to {many}", many), "hold", selected)
            case "unit" if line.part == 0:
                capacity = entry.group.capacity
                number = f" {line.unit + 1}"
                if capacity and capacity < 100:
                    number += f" of {capacity}"
                if capacity and line.unit >= capacity:
                    number = " beyond"
                return LineLabel(" ", number, "faint", selected)
            case "unused":
                text = self._fitting(f"{line.unit:,} never held", f"{line.unit:,} more")
                return LineLabel(" ", text, "faint", selected)
            case _:
                return LineLabel(selected=selected)

    def _fitting(self, text: str, shorter: str) -> str:
        return text if len(text) <= self.names_width - 3 else shorter

    def _mark_of(self, entry: ResourceEntry, selected: bool) -> str:
        mark = self.glyphs.selected if selected else ""
        if entry.members or entry.size > FEW_UNITS:
            mark += self.glyphs.groups[min(entry.group.resources) in self._opened]
        return mark

    def _title_of(self, entry: ResourceEntry) -> str:
        group = entry.group
        if not entry.members:
            inside = any(entry in other.members for other in self._found)
            name = resource_name(self.state.timeline, group.resources[0])
            process = self._process_of(group.resources[0])
            room = self.names_width - 3 - len(process) - inside
            return " " * inside + shorten(name, max(1, room)) + process
        count = f"{len(group)} "
        return count + shorten(plain(group.name), max(1, self.names_width - 3 - len(count)))

    def _process_of(self, resource: int) -> str:
        """Return the pid of the process that a resource belongs to, if there are several."""
        timeline = self.state.timeline
        processes = {each >> PROCESS_SHIFT for each in timeline.rows_of_resource}
        process = timeline.processes.get(resource >> PROCESS_SHIFT)
        return f" pid {process.pid}" if process is not None and len(processes) > 1 else ""

    def cell_segments(self, line: ResourceLine) -> Sequence[CellSegment]:
        state, entry = self.state, line.entry
        if line.kind == "queue":
            means, most = entry.queue.means(state.viewport), entry.queue.most
            text = draw_curve(means, most, self.glyphs, tall=line.tall, part=line.part)
            return [CellSegment(text, "wait", "")]
        if line.kind == "held":
            capacity = entry.group.capacity or 0
            most = max(entry.held.most, 0 if entry.members else capacity)
            text = draw_curve(entry.held.means(state.viewport), most, self.glyphs)
            return [CellSegment(text, "hold", "")]
        if line.kind != "unit" or line.unit >= len(entry.units):
            return [CellSegment(" " * state.viewport.width, "idle", "")]
        unit = entry.units[line.unit]
        now = state.now if state.answers.as_of is None else state.answers.as_of
        return draw(
            unit,
            state.viewport,
            now,
            self.glyphs,
            label=None if line.part else self._holder_label,
            holder=self._holder_color,
            marks=[
                mark
                for _, mark in children_marks(
                    unit.timeline, unit.rows if unit.groups else (), state.viewport, now
                )
            ],
        )

    def _holder_color(self, row: int) -> str:
        return task_color(self._orders.get(self.state.timeline.task[row], 0))

    def _holder_label(self, row: int) -> str:
        name = task_name(self.state.timeline, self.state.timeline.task[row])
        return name if name.isascii() else ""

    # -- the mouse --------------------------------------------------------------------------

    def tooltip_for(self, line: ResourceLine, at: int | None) -> str | None:
        timeline, group = self.state.timeline, line.entry.group
        if line.entry.members:
            lost = format_duration(line.entry.lost)
            name = plain(group.name)[:500]
            return f"{len(group)} of {group.kind} {name}\n{lost} lost\nEnter shows each"
        if at is None:
            known = timeline.resources.get(line.resource)
            return f"{known.kind} {plain(known.name)[:500]}" if known else None
        found = [m for m in occupants_at(self.state.tracks, at) if m.resource == line.resource]
        return describe(timeline, found[0], at) if found else None

    def row_at(self, line: ResourceLine, at: int) -> int | None:
        """Return the acquisition that holds the unit of a line at a time."""
        if line.kind != "unit":
            return None
        units = line.entry.units
        return units[line.unit].row_at(at) if line.unit < len(units) else None
