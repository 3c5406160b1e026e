"""How something developed from the start to the end, in a fixed number of slices of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from asyncctx_trace.analysis.loop_stalls import Stall
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.overview.model import BUCKETS

__all__ = ["blocked", "holding", "occurrences", "waiting"]


def waiting(snapshot: Snapshot, resources: Iterable[int]) -> tuple[float, ...]:
    """Return how many tasks waited for one of the full ``resources``, on average of each slice."""
    sums = [0] * BUCKETS
    edges = _edges(snapshot)
    for resource in resources:
        occupancy = snapshot.occupancy(resource)
        if occupancy.total_blocked:
            for index, (start, end) in enumerate(pairwise(edges)):
                sums[index] += occupancy.blocked_between(start, end)
    return _averages(sums, edges)


def holding(snapshot: Snapshot, resources: Iterable[int]) -> tuple[float, ...]:
    """Return how many tasks held one of ``resources``, on average of each slice of time."""
    sums = [0] * BUCKETS
    edges = _edges(snapshot)
    for resource in resources:
        for start, end, _, holders in snapshot.occupancy(resource):
            if holders:
                for index, length in _slices(edges, start, end):
                    sums[index] += holders * length
    return _averages(sums, edges)


def blocked(snapshot: Snapshot, stalls: Iterable[Stall]) -> tuple[float, ...]:
    """Return the share of each slice of time in which an event loop stood still."""
    sums = [0] * BUCKETS
    edges = _edges(snapshot)
    for stall in stalls:
        for index, length in _slices(edges, stall.since, stall.until):
            sums[index] += length
    return _averages(sums, edges)


def occurrences(snapshot: Snapshot, times: Iterable[int]) -> tuple[float, ...]:
    """Return how many of ``times`` (monotonic ns) are in each slice of time."""
    sums = [0.0] * BUCKETS
    span = max(1, snapshot.now - snapshot.start)
    for at in times:
        sums[_index(at - snapshot.start, span)] += 1
    return tuple(sums) if any(sums) else ()


def _edges(snapshot: Snapshot) -> list[int]:
    span = snapshot.now - snapshot.start
    return [snapshot.start + span * number // BUCKETS for number in range(BUCKETS + 1)]


def _index(since: int, span: int) -> int:
    return min(BUCKETS - 1, max(0, since * BUCKETS // span))


def _slices(edges: list[int], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the slices that overlap a period, with the length of the overlap."""
    span = max(1, edges[-1] - edges[0])
    for index in range(_index(start - edges[0], span), _index(end - edges[0], span) + 1):
        length = min(end, edges[index + 1]) - max(start, edges[index])
        if length > 0:
            yield index, length


def _averages(sums: list[int], edges: list[int]) -> tuple[float, ...]:
    if not any(sums):
        return ()
    return tuple(
        total / max(1, end - start)
        for total, (start, end) in zip(sums, pairwise(edges), strict=True)
    )
