"""Waits of tasks that keep others waiting meanwhile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from asyncctx_trace.analysis.kernels.columns import MAX_PAIRS, HeldWaits, Nestings
from asyncctx_trace.analysis.kernels.protocol import Occupancies
from asyncctx_trace.analysis.timeline.row_lookup import waits_of

__all__ = ["held_waits"]


def held_waits(
    contention: Occupancies, nestings: Nestings, left_out: Collection[int], now: int
) -> dict[tuple[int, int, int], HeldWaits]:
    """Return the waits of ``nestings`` during which others waited for what was held."""
    timeline = contention.timeline
    pairs: dict[tuple[int, int, int], list[tuple[int, int]]] = defaultdict(list)
    cost: dict[tuple[int, int, int], int] = defaultdict(int)
    for inner, _, around in nestings:
        if inner in left_out:
            continue
        if not contention.occupancy(timeline.resource[inner]).blocked_time(inner):
            continue
        ((start,), (end,)) = waits_of(timeline, [inner], now)
        for outer in around:
            held = timeline.resource[outer]
            waited = contention.occupancy(held).blocked_between(start, end)
            if waited:
                key = held, timeline.site[outer], timeline.site[inner]
                pairs[key].append((outer, inner))
                cost[key] += waited
    return {
        key: HeldWaits(cost[key], len(found), found[:MAX_PAIRS]) for key, found in pairs.items()
    }
