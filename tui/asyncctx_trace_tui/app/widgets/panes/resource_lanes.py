"""The view of resources: the holder of each unit over time, and the queue of waiters."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

from asyncctx_trace.analysis.contention.capacity_units import rows_by_unit
from asyncctx_trace.analysis.occupancy import Occupancy
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.model.names import resource_name, task_name
from asyncctx_trace.model.text import plain
from asyncctx_trace_tui.app.widgets.palette import task_color
from asyncctx_trace_tui.app.widgets.time_rows import LineLabel, TimeRows
from asyncctx_trace_tui.view.cells.drawing import CellSegment, draw
from asyncctx_trace_tui.view.cells.glyphs import Glyphs
from asyncctx_trace_tui.view.lanes.tracks import UnitTrack
from asyncctx_trace_tui.view.narration import describe, occupants_at
from asyncctx_trace_tui.view.state import COMPUTING, ViewState
from asyncctx_trace_tui.view.viewport import Viewport

__all__ = ["ResourceLine", "Resources"]

_MOST_UNITS = 40
"""The largest number of units per resource that are shown; the rest are counted."""


_TALLEST = 4
"""The largest height of a queue, in lines."""
_THICKEST = 2
"""The largest height of a unit, in lines."""


class ResourceLine(NamedTuple):
    """One line: the queue of a resource, one of its units, the number of hidden units, or space."""

    resource: int
    kind: Literal["queue", "unit", "more", "space"]
    unit: int = 0
    part: int = 0
    """The index of the line within the queue or unit, from the top."""


class Queue:
    """The average number of waiters in any slice of time, by prefix sums: O(log n) per query."""

    def __init__(self, occupancy: Occupancy) -> None:
        self._times = occupancy.times
        self._waiters = occupancy.waiters
        lengths = ((end - start) * waiters for start, end, waiters, _ in occupancy)
        self._before = list(accumulate(lengths, initial=0))
        self.most = max(occupancy.waiters, default=0)
        self.total = self._before[-1]
        """The time that all tasks together waited, in ns."""

    def mean(self, start: int, end: int) -> float:
        """Return the average number of waiters between two times."""
        return (self._until(end) - self._until(start)) / (end - start)

    def _until(self, at: int) -> int:
        step = bisect_right(self._times, at) - 1
        if step < 0:
            return 0
        if step + 1 >= len(self._times):
            return self._before[-1]
        return self._before[step] + (at - self._times[step]) * self._waiters[step]


class Resources(TimeRows[ResourceLine]):
    """Per resource: the queue as a filled curve, then a line per unit, colored by holder."""

    def __init__(self, state: ViewState, glyphs: Glyphs) -> None:
        super().__init__(state, glyphs, id="resources")
        self._found: dict[int, tuple[list[UnitTrack], Queue]] = {}
        self.order: list[int] = []
        """The resources from top to bottom: those that were waited for longest come first."""
        self._orders: dict[int, int] = {}
        self._tall: dict[int, int] = {}
        """Resource -> the height of its queue, in lines."""
        self._thick = 1
        """The height of a unit, in lines."""

    def lay_out(self, height: int) -> list[ResourceLine]:
        if not self._update_answers():
            return []
        limited = self.state.snapshot.limited
        rows = {resource: self._rows_of(resource) for resource in self.order}
        units = sum(min(count, _MOST_UNITS) for count in rows.values())
        queues = [each for each in self.order if each in limited and self._queue_of(each).most]
        free = (
            height
            - units
            - 2 * len(self.order)
            - sum(count > _MOST_UNITS for count in rows.values())
        )
        tall = 1 + max(0, min(_TALLEST - 1, free // max(1, len(queues))))
        self._tall = dict.fromkeys(queues, tall)
        free -= (tall - 1) * len(queues)
        self._thick = 1 + max(0, min(_THICKEST - 1, free // max(1, units)))
        lines = []
        for resource in self.order:
            high = self._tall.get(resource, 1)
            lines += [ResourceLine(resource, "queue", part=part) for part in range(high)]
            lines += [
                ResourceLine(resource, "unit", number, part)
                for number in range(min(_MOST_UNITS, rows[resource]))
                for part in range(self._thick)
            ]
            if rows[resource] > _MOST_UNITS:
                lines.append(ResourceLine(resource, "more", rows[resource] - _MOST_UNITS))
            lines.append(ResourceLine(resource, "space"))
        return lines

    def _rows_of(self, resource: int) -> int:
        """Return the number of units to show: the capacity, or the most that were held at once."""
        known = self.state.timeline.resources.get(resource)
        capacity = known.capacity if known is not None else None
        return max(capacity or 0, len(self._units_of(resource)))

    def _update_answers(self) -> bool:
        """Use the current answers of analysis; ``False`` while they are computed."""
        found = self.state.answer(_units_and_queues)
        if found is None:
            self.border_title = COMPUTING
            return False
        self.border_title = None
        if found is not self._found:
            self._found = found
            limited = self.state.snapshot.limited
            self.order = sorted(
                found, key=lambda each: (each not in limited, -found[each][1].total)
            )
            self._orders = {task: order for order, task in enumerate(self.state.tracks.lanes)}
        return True

    def _units_of(self, resource: int) -> list[UnitTrack]:
        return self._found[resource][0]

    def _queue_of(self, resource: int) -> Queue:
        return self._found[resource][1]

    def selected_item(self) -> Hashable:
        if self.state.resource is None and self.state.row is None:
            return None  # do not scroll while the play head moves
        return self.state.selected_resource

    def selected_lines(self) -> range:
        resource = self.state.selected_resource
        found = [
            index
            for index, line in enumerate(self.lines)
            if line.resource == resource and line.kind != "space"
        ]
        return range(found[0], found[-1] + 1) if found else range(0)

    def line_key(self, line: ResourceLine) -> Hashable:
        state = self.state
        if line.kind != "unit":
            return id(self._found)
        now = 8 * (state.now - state.viewport.start) // state.viewport.per_column
        found = self._units_of(line.resource)
        return found[line.unit].render_key(now) if line.unit < len(found) else ()

    def shared_key(self) -> Hashable:
        shown = tuple(self._tall.values()), self._thick, self.state.answers.revision
        return *shown, self.state.selected_resource, self.border_title

    def label_of(self, line: ResourceLine) -> LineLabel:
        timeline = self.state.timeline
        selected = line.resource == self.state.selected_resource and line.kind != "space"
        match line.kind:
            case "queue" if line.part == 0:
                mark = self.glyphs.selected if selected else " "
                return LineLabel(mark, resource_name(timeline, line.resource), "text", selected)
            case "queue" if line.part == self._tall.get(line.resource, 1) - 1:
                most = self._queue_of(line.resource).most
                return LineLabel(" ", f"up to {most}", "wait", selected)
            case "unit" if line.part == 0:
                known = timeline.resources.get(line.resource)
                capacity = known.capacity if known else None
                number = f" {line.unit + 1}"
                if capacity and capacity < 100:
                    number += f" of {capacity}"
                if capacity and line.unit >= capacity:
                    number = " beyond"
                return LineLabel(" ", number, "faint", selected)
            case "more":
                return LineLabel(" ", f"{line.unit:,} more", "faint", selected)
            case _:
                return LineLabel(selected=selected)

    def cell_segments(self, line: ResourceLine) -> Sequence[CellSegment]:
        state = self.state
        if line.kind == "queue":
            return [CellSegment(self._curve(line, state.viewport), "wait", "")]
        units = self._units_of(line.resource)
        if line.kind != "unit" or line.unit >= len(units):
            return [CellSegment(" " * state.viewport.width, "idle", "")]
        unit = units[line.unit]
        as_of = state.answers.as_of
        return draw(
            unit,
            state.viewport,
            state.now if as_of is None else as_of,
            self.glyphs,
            label=None if line.part else self._holder_label,
            holder=self._holder_color,
        )

    def _curve(self, line: ResourceLine, viewport: Viewport) -> str:
        """Return the part of the curve on one line."""
        queue, steps = self._queue_of(line.resource), self.glyphs.heights
        tall = self._tall.get(line.resource, 1)
        below = (tall - 1 - line.part) * len(steps)
        cells = []
        for column in range(viewport.width):
            mean = queue.mean(viewport.time_of(column), viewport.time_of(column + 1))
            # Show even the shortest wait; the longest queue fills all lines.
            level = max(1, round(mean / queue.most * tall * len(steps))) if mean else 0
            here = min(max(level - below, 0), len(steps))
            cells.append(steps[here - 1] if here else " ")
        return "".join(cells)

    def _holder_color(self, row: int) -> str:
        return task_color(self._orders.get(self.state.timeline.task[row], 0))

    def _holder_label(self, row: int) -> str:
        name = task_name(self.state.timeline, self.state.timeline.task[row])
        return name if name.isascii() else ""

    def tooltip_for(self, line: ResourceLine, at: int | None) -> str | None:
        timeline = self.state.timeline
        if at is None:
            known = timeline.resources.get(line.resource)
            return f"{known.kind} {plain(known.name)[:500]}" if known else None
        found = [m for m in occupants_at(self.state.tracks, at) if m.resource == line.resource]
        return describe(timeline, found[0], at) if found else None

    def open_selected(self) -> None:
        """Show the units of the selected resource, or its members, or hide them again."""

    def row_at(self, line: ResourceLine, at: int) -> int | None:
        """Return the acquisition that holds the unit of a line at a time."""
        if line.kind != "unit":
            return None
        units = self._units_of(line.resource)
        return units[line.unit].row_at(at) if line.unit < len(units) else None


def _units_and_queues(snapshot: Snapshot) -> dict[int, tuple[list[UnitTrack], Queue]]:
    return {
        resource: (
            [
                UnitTrack(snapshot.timeline, rows)
                for rows in rows_by_unit(snapshot.timeline, resource)
            ],
            Queue(snapshot.occupancy(resource)),
        )
        for resource in snapshot.timeline.rows_of_resource
    }
