"""Requests for one resource while others are held."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Sequence

from asyncctx_trace.analysis.kernels.columns import MAX_AROUND, Level, Nestings
from asyncctx_trace.analysis.timeline.row_lookup import open_around, resource_key
from asyncctx_trace.analysis.timeline.table import Timeline

__all__ = ["nesting_steps", "nestings"]


def nestings(timeline: Timeline, limited: Sequence[int], parents: array[int]) -> Nestings:
    """Return the requests for one of the resources ``limited`` while others were held."""
    counted = set(limited)
    inner, held, ends = array("q"), array("q"), array("q")
    for resource in limited:
        for row in timeline.rows_of_resource[resource]:
            if timeline.parent[row]:
                outer = [
                    other
                    for other in open_around(timeline, parents, row, MAX_AROUND)
                    if timeline.resource[other] != resource and timeline.resource[other] in counted
                ]
                if outer:
                    inner.append(row)
                    held.extend(outer)
                    ends.append(len(held))
    return Nestings(inner, held, ends)


def nesting_steps(
    timeline: Timeline, nestings: Nestings, level: Level, *, trees: bool
) -> dict[tuple[Hashable, Hashable], array[int]]:
    """Return (held, asked for) -> the indexes in ``nestings.held``."""
    keys: dict[Level, Callable[[int], Hashable]] = {
        "resource": timeline.resource.__getitem__,
        "name": lambda row: resource_key(timeline, timeline.resource[row]),
        "site": timeline.site.__getitem__,
    }
    key = keys[level]
    steps: dict[tuple[Hashable, Hashable], array[int]] = {}
    walked: set[tuple[Hashable, Hashable]] = set()
    for row, first, held in nestings:
        inner = key(row)
        again = False
        for index, outer in enumerate(map(key, held), first):
            if outer == inner:
                again = True
                continue
            steps.setdefault((outer, inner), array("q")).append(index)
            if again and not trees:
                walked |= {(outer, inner), (inner, outer)}
    return {step: indexes for step, indexes in steps.items() if step not in walked}
