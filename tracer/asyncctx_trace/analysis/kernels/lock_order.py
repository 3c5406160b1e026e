"""Every request by who held something already, gathered with numpy."""

from __future__ import annotations

from array import array
from collections.abc import Hashable

import numpy as np

from asyncctx_trace.analysis.deadlocks.lock_order import Level, Nestings, name_of
from asyncctx_trace.analysis.kernels.columns import Integers, column, view
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.outcomes import Outcome

__all__ = ["gathered", "steps"]


def gathered(snapshot: Snapshot) -> tuple[array[int], array[int], array[int]]:
    """The rows that asked, what was held at each, outermost first, and where that ends."""
    timeline, parents = snapshot.timeline, view(snapshot.parents)
    rows = np.concatenate(
        [np.zeros(0, np.int64), *(view(timeline.rows_of_resource[r]) for r in snapshot.limited)]
    )
    rows = rows[view(timeline.parent)[rows] != 0]
    resource, at = view(timeline.resource)[rows], view(timeline.enter_started)[rows]
    limited = np.isin(view(timeline.resource), snapshot.limited)
    limited &= view(timeline.enter_outcome) == Outcome.OK
    found: list[tuple[Integers, Integers]] = []
    asks, around = np.arange(len(rows)), parents[rows]
    while len(asks := asks[around >= 0]):
        around = around[around >= 0]
        over = view(timeline.exit_ended)[around]
        held = (view(timeline.enter_ended)[around] <= at[asks]) & limited[around]
        held &= (over == NOT_YET) | (over > at[asks])
        held &= view(timeline.resource)[around] != resource[asks]
        found.append((asks[held], around[held]))
        around = parents[around]
    # Innermost first as it was found: backwards it is outermost first.
    found.reverse()
    asked = np.concatenate([np.zeros(0, np.int64), *(each for each, _ in found)])
    held = np.concatenate([np.zeros(0, np.int64), *(each for _, each in found)])
    counts = np.bincount(asked, minlength=len(rows))
    some = counts > 0
    ordered = held[np.argsort(asked, kind="stable")]
    return column(rows[some]), column(ordered), column(np.cumsum(counts[some]))


def steps(
    snapshot: Snapshot, nested: Nestings, level: Level, *, trees: bool
) -> dict[tuple[Hashable, Hashable], array[int]]:
    """The places of nestings by what was held and what was asked for, in numbers of their own."""
    ends = view(nested.ends)
    counts = np.diff(ends, prepend=0)
    keys = _keys(snapshot, level)
    outer, inner = keys[view(nested.held)], np.repeat(keys[view(nested.inner)], counts)
    places = np.flatnonzero(outer != inner)
    size = int(keys.max(initial=0)) + 1
    codes = outer[places] * size + inner[places]
    order = np.argsort(codes, kind="stable")
    codes, ordered = codes[order], places[order]
    begins = np.flatnonzero(np.diff(codes, prepend=-1))
    left_out: set[int] = set()
    if not trees:
        alike = np.concatenate([[0], np.cumsum(outer == inner)])
        again = alike[places] > np.repeat(alike[ends - counts], counts)[places]
        walked = np.unique(outer[places[again]] * size + inner[places[again]])
        left_out = {*walked.tolist(), *(walked % size * size + walked // size).tolist()}
    bounds = [*begins.tolist(), len(codes)]
    return {
        divmod(code, size): column(ordered[bounds[index] : bounds[index + 1]])
        for index in np.argsort(ordered[begins]).tolist()
        if (code := int(codes[begins[index]])) not in left_out
    }


def _keys(snapshot: Snapshot, level: Level) -> Integers:
    """By row, a small number for what stands for it at that level."""
    timeline = snapshot.timeline
    known, keys = np.unique(
        view(timeline.site if level == "site" else timeline.resource), return_inverse=True
    )
    if level != "name":
        return keys
    numbers: dict[object, int] = {}
    names = [name_of(snapshot, resource) for resource in known.tolist()]
    table = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
    return table[keys]
