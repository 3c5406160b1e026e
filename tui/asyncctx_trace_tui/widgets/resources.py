"""The lanes of resources: who holds each unit when, and the queue of those who wait."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.occupancy import Occupancy
from asyncctx_trace_tui.drawing import Glyphs, Stroke, draw
from asyncctx_trace_tui.moment import moments, resource_name, sentence, task_name
from asyncctx_trace_tui.scene import NOT_KNOWN, Scene
from asyncctx_trace_tui.text import plain
from asyncctx_trace_tui.tracks import Unit, units
from asyncctx_trace_tui.viewport import Viewport
from asyncctx_trace_tui.widgets.inks import task_ink
from asyncctx_trace_tui.widgets.rows import Name, TimeRows

__all__ = ["ResourceLine", "Resources"]

_MOST_UNITS = 40
"""Units of one resource that get a line each; the rest are counted."""


class ResourceLine(NamedTuple):
    """One line: the queue of a resource, one of its units, or the space below."""

    resource: int
    kind: Literal["queue", "unit", "space"]
    unit: int = 0


class Queue:
    """How many waited on average in any slice of time: sums once, two bisections a column."""

    def __init__(self, occupancy: Occupancy) -> None:
        self._times = occupancy.times
        self._waiters = occupancy.waiters
        lengths = ((end - start) * waiters for start, end, waiters, _ in occupancy)
        self._before = list(accumulate(lengths, initial=0))
        self.most = max(occupancy.waiters, default=0)

    def mean(self, start: int, end: int) -> float:
        """Waiters between two times, on average."""
        return (self._until(end) - self._until(start)) / (end - start)

    def _until(self, at: int) -> int:
        step = bisect_right(self._times, at) - 1
        if step < 0:
            return 0
        if step + 1 >= len(self._times):
            return self._before[-1]
        return self._before[step] + (at - self._times[step]) * self._waiters[step]


class Resources(TimeRows[ResourceLine]):
    """Above, the queue as a filled curve; below it a line per unit, coloured by holder."""

    def __init__(self, scene: Scene, glyphs: Glyphs) -> None:
        super().__init__(scene, glyphs, id="resources")
        self._found: dict[int, tuple[list[Unit], Queue]] = {}
        self._orders: dict[int, int] = {}

    def lay_out(self, height: int) -> list[ResourceLine]:
        if not self._work_out():
            return []
        lines = []
        limited = self.scene.case.limited
        # What tasks contend for comes first.
        for resource in sorted(self._found, key=lambda each: each not in limited):
            lines.append(ResourceLine(resource, "queue"))
            count = min(_MOST_UNITS, len(self._units_of(resource)))
            lines += [ResourceLine(resource, "unit", number) for number in range(count)]
            lines.append(ResourceLine(resource, "space"))
        return lines

    def _work_out(self) -> bool:
        """Take over what analysis has found; ``False`` while it has not."""
        found = self.scene.answer(_units_and_queues)
        if found is None:
            self.border_title = NOT_KNOWN
            return False
        self.border_title = None
        if found is not self._found:
            self._found = found
            self._orders = {task: order for order, task in enumerate(self.scene.tracks.lanes)}
        return True

    def _units_of(self, resource: int) -> list[Unit]:
        return self._found[resource][0]

    def _queue_of(self, resource: int) -> Queue:
        return self._found[resource][1]

    def stamp(self, line: ResourceLine) -> Hashable:
        scene = self.scene
        if line.kind != "unit":
            return id(self._found)
        now = 8 * (scene.now - scene.viewport.start) // scene.viewport.per_column
        found = self._units_of(line.resource)
        return found[line.unit].stamp(now) if line.unit < len(found) else ()

    def setting(self) -> Hashable:
        return self.scene.answers.revision, self.scene.selected_resource, self.border_title

    def title_of(self, line: ResourceLine) -> Name:
        timeline = self.scene.timeline
        selected = line.resource == self.scene.selected_resource and line.kind != "space"
        match line.kind:
            case "queue":
                mark = self.glyphs.selected if selected else " "
                return Name(mark, resource_name(timeline, line.resource), "text", selected)
            case "unit":
                known = timeline.resources.get(line.resource)
                capacity = known.capacity if known else None
                number = f" {line.unit + 1} of {capacity}" if capacity else f" {line.unit + 1}"
                if capacity and line.unit >= capacity:
                    # The next holder is in before the exit of the one that let it in is over.
                    number = " hand-over"
                return Name(" ", number, "faint", selected)
            case _:
                return Name()

    def strokes(self, line: ResourceLine) -> Sequence[Stroke]:
        scene = self.scene
        if line.kind == "space":
            return [Stroke(" " * scene.viewport.width, "idle", "")]
        if line.kind == "queue":
            return [Stroke(self._curve(line.resource, scene.viewport), "wait", "")]
        unit = self._units_of(line.resource)[line.unit]
        as_of = scene.answers.as_of
        return draw(
            unit,
            scene.viewport,
            scene.now if as_of is None else as_of,
            self.glyphs,
            label=self._holder_label,
            holder=self._holder_ink,
        )

    def _curve(self, resource: int, viewport: Viewport) -> str:
        queue = self._queue_of(resource)
        steps = self.glyphs.heights
        cells = []
        for column in range(viewport.width):
            mean = queue.mean(viewport.time_of(column), viewport.time_of(column + 1))
            # However short a wait, it is seen; the longest queue fills the line.
            level = int(mean / queue.most * len(steps)) if mean else -1
            cells.append(" " if level < 0 else steps[min(level, len(steps) - 1)])
        return "".join(cells)

    def _holder_ink(self, row: int) -> str:
        return task_ink(self._orders.get(self.scene.timeline.task[row], 0))

    def _holder_label(self, row: int) -> str:
        name = task_name(self.scene.timeline, self.scene.timeline.task[row])
        return name if name.isascii() else ""

    def tip(self, line: ResourceLine, at: int | None) -> str | None:
        timeline = self.scene.timeline
        if at is None:
            known = timeline.resources.get(line.resource)
            return f"{known.kind} {plain(known.name)[:500]}" if known else None
        found = [m for m in moments(self.scene.tracks, at) if m.resource == line.resource]
        return sentence(timeline, found[0], at) if found else None

    def row_at(self, line: ResourceLine, at: int) -> int | None:
        """The acquisition that holds a unit at a time."""
        if line.kind != "unit":
            return None
        return self._units_of(line.resource)[line.unit].row_at(at)


def _units_and_queues(case: Case) -> dict[int, tuple[list[Unit], Queue]]:
    return {
        resource: (units(case.timeline, resource), Queue(case.occupancy(resource)))
        for resource in case.timeline.rows_of_resource
    }
