"""Requests for one resource while others are held."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Sequence

import numpy as np

from asyncctx_trace.analysis.kernels.columns import MAX_AROUND, Level, Nestings
from asyncctx_trace.analysis.kernels.vectorized.arrays import Integers, column, view
from asyncctx_trace.analysis.timeline.row_lookup import resource_key
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.model.outcomes import Outcome

__all__ = ["nesting_steps", "nestings"]


def nestings(timeline: Timeline, limited: Sequence[int], parents: array[int]) -> Nestings:
    """Return the requests for one of the resources ``limited`` while others were held."""
    enclosing = view(parents)
    none = np.zeros(0, np.int64)
    rows = np.concatenate([none, *(view(timeline.rows_of_resource[r]) for r in limited)])
    rows = rows[view(timeline.parent)[rows] != 0]
    resource, at = view(timeline.resource)[rows], view(timeline.enter_started)[rows]
    counts = np.isin(view(timeline.resource), limited)
    counts &= view(timeline.enter_outcome) == Outcome.OK
    levels: list[tuple[Integers, Integers]] = []
    requests, around = np.arange(len(rows)), enclosing[rows]
    while len(levels) < MAX_AROUND and len(requests := requests[around >= 0]):
        around = around[around >= 0]
        ended = view(timeline.exit_ended)[around]
        held = (view(timeline.enter_ended)[around] <= at[requests]) & counts[around]
        held &= (ended == NOT_YET) | (ended > at[requests])
        held &= view(timeline.resource)[around] != resource[requests]
        levels.append((requests[held], around[held]))
        around = enclosing[around]
    # They were found from the inside out.
    levels.reverse()
    asked = np.concatenate([none, *(request for request, _ in levels)])
    outer = np.concatenate([none, *(row for _, row in levels)])
    number = np.bincount(asked, minlength=len(rows))
    some = number > 0
    ordered = outer[np.argsort(asked, kind="stable")]
    return Nestings(column(rows[some]), column(ordered), column(np.cumsum(number[some])))


def nesting_steps(
    timeline: Timeline, nestings: Nestings, level: Level, *, trees: bool
) -> dict[tuple[Hashable, Hashable], array[int]]:
    """Return (held, asked for) -> the indexes in ``nestings.held``, as numbers of keys."""
    ends = view(nestings.ends)
    counts = np.diff(ends, prepend=0)
    keys = _keys(timeline, level)
    outer, inner = keys[view(nestings.held)], np.repeat(keys[view(nestings.inner)], counts)
    indexes = np.flatnonzero(outer != inner)
    size = int(np.max(keys, initial=0)) + 1
    codes = outer[indexes] * size + inner[indexes]
    order = np.argsort(codes, kind="stable")
    codes, ordered = codes[order], indexes[order]
    begins = np.flatnonzero(np.diff(codes, prepend=-1))
    left_out: set[int] = set()
    if not trees:
        equal = np.concatenate([[0], np.cumsum(outer == inner)])
        again = equal[indexes] > np.repeat(equal[ends - counts], counts)[indexes]
        walked = np.unique(outer[indexes[again]] * size + inner[indexes[again]])
        left_out = {*walked.tolist(), *(walked % size * size + walked // size).tolist()}
    bounds = [*begins.tolist(), len(codes)]
    return {
        divmod(code, size): column(ordered[bounds[index] : bounds[index + 1]])
        for index in np.argsort(ordered[begins]).tolist()
        if (code := int(codes[begins[index]])) not in left_out
    }


def _keys(timeline: Timeline, level: Level) -> Integers:
    """Return, by row, a small number for what stands for it at ``level``."""
    known, keys = np.unique(
        view(timeline.site if level == "site" else timeline.resource), return_inverse=True
    )
    if level != "name":
        return keys
    numbers: dict[object, int] = {}
    names = [resource_key(timeline, resource) for resource in known.tolist()]
    table = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
    return table[keys]
