"""The lines of the view of resources."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Literal, NamedTuple

from asyncctx_trace_tui.view.resource_view.resource_entries import FEW_UNITS, ResourceEntry

__all__ = ["ResourceLayout", "ResourceLine", "lay_out", "visible_entries"]

_TALLEST = 4
"""The largest height of a queue, in lines."""
_THICKEST = 2
"""The largest height of a unit, in lines."""


class ResourceLine(NamedTuple):
    """One line: a queue, the holders, a unit, the number of unused units, or space."""

    entry: ResourceEntry
    kind: Literal["queue", "held", "unit", "unused", "space"]
    unit: int = 0
    part: int = 0
    """The index of the line within the queue or unit, from the top."""
    tall: int = 1
    """The height of the queue or unit, in lines."""

    @property
    def resource(self) -> int:
        """The resource, or the first of several."""
        return self.entry.resources[0]


class ResourceLayout(NamedTuple):
    """Lines from top to bottom."""

    lines: list[ResourceLine]
    entries: list[ResourceEntry]
    """The entries from top to bottom, members of open ones included."""


def visible_entries(
    entries: Sequence[ResourceEntry], opened: Collection[int], wanted: int | None
) -> Iterator[ResourceEntry]:
    """Yield the entries to show; after one of several resources that is open, its members.

    ``opened``: the least resource of each open entry; ``wanted``: a resource that must have an
    entry of its own.
    """
    for entry in entries:
        yield entry
        is_open = min(entry.group.resources) in opened
        yield from (each for each in entry.members if is_open or wanted in each.group.resources)


def lay_out(
    entries: Sequence[ResourceEntry],
    opened: Collection[int],
    height: int,
    wanted: int | None = None,
) -> ResourceLayout:
    """Return the lines for a widget of ``height`` lines; what is free is given to the queues.

    ``opened`` and ``wanted``: see :func:`visible_entries`.
    """
    shown = list(visible_entries(entries, opened, wanted))
    units = sum(_units_of(entry, opened) for entry in shown)
    queues = [entry for entry in shown if entry.is_limited and entry.queue.most]
    free = height - 2 * len(shown) - units - sum(_units_of(entry, opened) == 0 for entry in shown)
    tall = 2 + max(0, min(_TALLEST - 2, (free - len(queues)) // max(1, len(queues))))
    free -= (tall - 1) * len(queues)
    thick = 1 + max(0, min(_THICKEST - 1, free // max(1, units)))
    has_queue = {id(entry) for entry in queues}
    lines: list[ResourceLine] = []
    for entry in shown:
        high = tall if id(entry) in has_queue else 1
        lines += [ResourceLine(entry, "queue", 0, part, high) for part in range(high)]
        count = _units_of(entry, opened)
        if not count:
            lines.append(ResourceLine(entry, "held"))
        lines += [
            ResourceLine(entry, "unit", unit, part, thick)
            for unit in range(count)
            for part in range(thick)
        ]
        if count and entry.size > count:
            lines.append(ResourceLine(entry, "unused", entry.size - count))
        lines.append(ResourceLine(entry, "space"))
    return ResourceLayout(lines, shown)


def _units_of(entry: ResourceEntry, opened: Collection[int]) -> int:
    """Return how many units have lines; 0 if a curve shows the holders."""
    if entry.members:
        return 0
    if entry.size <= FEW_UNITS:
        return entry.size
    return len(entry.units) if entry.group.resources[0] in opened else 0
