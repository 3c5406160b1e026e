"""Estimate sums and percentiles of all acquisitions from a sample with known weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.row_lookup import entered, holds_of, waits_of
from asyncctx_trace.model.names import resource_name

__all__ = ["Estimate", "ResourceEstimates", "estimates", "sum_of"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimated sum, and its standard error; both are in the unit of what is summed."""

    value: int
    error: int
    """0: it is exact."""


@dataclass(frozen=True, slots=True)
class ResourceEstimates:
    """What all acquisitions of a resource took, in ns; those that were left out included."""

    resource: int
    name: str
    kept: int
    """The number of acquisitions in the recording."""
    acquisitions: Estimate
    wait: Estimate
    wait_p99: int
    """The shortest wait that an estimated 99 % do not exceed."""
    hold: Estimate
    """Bodies, and exits."""


def sum_of(values: Sequence[int], weights: Sequence[int]) -> Estimate:
    """Estimate the sum of a population from a sample.

    Each member was in the sample with probability 1/weight, independently of the others. The sum of
    weight x value is unbiased (Horvitz and Thompson, 1952); the sum of weight x (weight - 1) x
    value^2 is an unbiased estimate of its variance. O(n).
    """
    pairs = list(zip(values, weights, strict=True))
    variance = sum(weight * (weight - 1) * value * value for value, weight in pairs)
    return Estimate(sum(weight * value for value, weight in pairs), round(sqrt(variance)))


def percentile(values: Iterable[int], weights: Iterable[int], percent: int) -> int:
    """Return the shortest value that at least ``percent`` % of the weight do not exceed."""
    pairs = sorted(zip(values, weights, strict=True))
    left = sum(weight for _, weight in pairs) * percent
    for value, weight in pairs:
        left -= 100 * weight
        if left <= 0:
            return value
    return 0


def estimates(snapshot: Snapshot) -> list[ResourceEstimates]:
    """Return the estimates of each resource, the one with most waiting time first."""
    timeline = snapshot.timeline
    found = []
    for resource, rows in timeline.rows_of_resource.items():
        weights = _weights(snapshot, rows)
        waits = _durations(waits_of(timeline, rows, snapshot.now))
        holds = _durations(holds_of(timeline, rows, snapshot.now))
        found.append(
            ResourceEstimates(
                resource,
                resource_name(timeline, resource, None),
                len(rows),
                sum_of([1] * len(rows), weights),
                sum_of(waits, weights),
                percentile(waits, weights, 99),
                sum_of(holds, _weights(snapshot, entered(timeline, rows))),
            )
        )
    return sorted(found, key=lambda each: (-each.wait.value, each.resource))


def _weights(snapshot: Snapshot, rows: Iterable[int]) -> list[int]:
    timeline = snapshot.timeline
    return [timeline.weights.get(timeline.id[row], 1) for row in rows]


def _durations(spans: tuple[list[int], list[int]]) -> list[int]:
    return [end - start for start, end in zip(*spans, strict=True)]
