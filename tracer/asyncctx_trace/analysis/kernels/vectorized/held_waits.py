"""Waits of tasks that keep others waiting meanwhile."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from asyncctx_trace.analysis.kernels.columns import MAX_PAIRS, HeldWaits, Nestings
from asyncctx_trace.analysis.kernels.protocol import Occupancies, ResourceOccupancy
from asyncctx_trace.analysis.kernels.vectorized.arrays import Integers, runs, view, waits_of

__all__ = ["held_waits"]

Values: TypeAlias = NDArray[Any]
"""Integers of 64 bits, or Python integers where these could overflow."""

_LARGEST = 2**63


def held_waits(
    contention: Occupancies, nestings: Nestings, left_out: Collection[int], now: int
) -> dict[tuple[int, int, int], HeldWaits]:
    """Return the waits of ``nestings`` during which others waited for what was held."""
    timeline = contention.timeline
    outer, inner = _pairs(contention, nestings, left_out)
    if not len(outer):
        return {}
    waited = _waited(contention, view(timeline.resource)[outer], *waits_of(timeline, inner, now))
    some = waited > 0
    outer, inner, waited = outer[some], inner[some], waited[some]
    if not len(outer):
        return {}
    if len(waited) * int(waited.max()) >= _LARGEST:
        waited = waited.astype(object)
    resource, sites = view(timeline.resource)[outer], view(timeline.site)
    order = np.lexsort((sites[inner], sites[outer], resource))
    outer, inner = outer[order], inner[order]
    keys = resource[order], sites[outer], sites[inner]
    begins = np.unique(np.concatenate([runs(key) for key in keys]))
    ends = np.append(begins[1:], len(order))
    costs = np.add.reduceat(waited[order], begins)
    result: dict[tuple[int, int, int], HeldWaits] = {}
    for group in np.argsort(order[begins]).tolist():
        first, end = int(begins[group]), int(ends[group])
        shown = slice(first, min(end, first + MAX_PAIRS))
        pairs = list(zip(outer[shown].tolist(), inner[shown].tolist(), strict=True))
        held, held_at, asked_at = (int(key[first]) for key in keys)
        result[held, held_at, asked_at] = HeldWaits(int(costs[group]), end - first, pairs)
    return result


def _pairs(
    contention: Occupancies, nestings: Nestings, left_out: Collection[int]
) -> tuple[Integers, Integers]:
    """Return the rows that were held and asked for, where the second one was blocked."""
    timeline, inner = contention.timeline, view(nestings.inner)
    counts = np.diff(view(nestings.ends), prepend=0)
    blocked = np.zeros(len(timeline), np.bool_)
    for resource in np.unique(view(timeline.resource)[inner]).tolist():
        occupancy = contention.occupancy(resource)
        blocked[view(occupancy.rows)] = view(occupancy.blocked_times) != 0
    blocked[np.fromiter(left_out, np.int64, len(left_out))] = False
    counted = np.repeat(blocked[inner], counts)
    return view(nestings.held)[counted], np.repeat(inner, counts)[counted]


def _waited(contention: Occupancies, held: Integers, starts: Integers, ends: Integers) -> Values:
    """Return how long others waited for each of ``held`` between two times, in ns."""
    order = np.argsort(held, kind="stable")
    parts = []
    for index in np.split(order, runs(held[order])[1:]):
        occupancy = contention.occupancy(int(held[index[0]]))
        parts.append(
            _blocked_until(occupancy, ends[index]) - _blocked_until(occupancy, starts[index])
        )
    waited = np.concatenate(parts)
    result = np.empty_like(waited)
    result[order] = waited
    return result


def _blocked_until(occupancy: ResourceOccupancy, at: Integers) -> Values:
    """Return the blocked time of all waiters together up to each time, in ns."""
    times, before = view(occupancy.times), occupancy.blocked_before
    sums: Values = np.array(before, object) if isinstance(before, list) else view(before)
    step = np.searchsorted(times, at, side="right") - 1
    inside = np.clip(step, 0, len(times) - 1)
    following = np.minimum(inside + 1, len(times) - 1)
    # Within a step it grows evenly; after the last one it does not grow.
    length = np.maximum(times[following] - times[inside], 1)
    rate = (sums[following] - sums[inside]) // length
    return np.where(step < 0, 0, sums[inside] + rate * (at - times[inside]))
