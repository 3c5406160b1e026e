"""Try the obvious changes of a program, and rank them by how much waiting they save."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from asyncctx_trace.analysis.what_if.changes import Changes
from asyncctx_trace.analysis.what_if.forecast import Forecast, Forecaster
from asyncctx_trace.model.names import site_name

__all__ = ["Ranked", "rank_changes"]

_RESOURCES = 4
"""How many resources are tried, those with most waiting first."""
_SHARE = 0.02
"""A resource with less than this share of all waiting is not tried."""
_ENOUGH = 0.9
"""The share of what an unlimited capacity saves that is worth stopping at."""
_FACTORS = (1.25, 1.5, 2, 3, 4, 8)
_PARTS = 4


@dataclass(frozen=True, slots=True)
class Ranked:
    """One change that was tried."""

    forecast: Forecast
    label: str
    """Such as ```db pool` 10 → 14``."""
    resource: int
    """The resource whose waits it is about."""
    saved: int
    """How much less all tasks wait together, in ns."""
    more_does_not_help: bool
    """Whether a larger capacity saves hardly more."""


def rank_changes(forecaster: Forecaster) -> list[Ranked]:
    """Return the obvious changes that save waiting, those that save most first.

    For each of the resources with most waiting: a larger capacity, the smallest that saves 90 % of
    what any could; for a lock, to remove it or to split it; and half the hold time at the site that
    holds longest.
    """
    before = sum(forecaster.unchanged.waits.values())
    found = [
        ranked
        for resources in _most_waited_for(forecaster)
        for ranked in _tries(forecaster, resources, before)
        if ranked.saved > _SHARE * before
    ]
    return sorted(found, key=lambda ranked: -ranked.saved)


def _most_waited_for(forecaster: Forecaster) -> list[tuple[int, ...]]:
    forecast = forecaster.foretell(Changes(), band=False)
    whole = sum(each.measured.total for each in forecast.resources)
    inner = set(forecaster.model.aliases)
    return [
        each.resources
        for each in forecast.resources
        if each.foretold.total >= _SHARE * whole and not inner.intersection(each.resources)
    ][:_RESOURCES]


def _tries(forecaster: Forecaster, resources: tuple[int, ...], before: int) -> Iterator[Ranked]:
    first = resources[0]
    capacity = forecaster.model.capacities[first]
    known = forecaster.timeline.resources[first]
    name = f"`{known.name}`"

    def ranked(changes: Changes, label: str, *, enough: bool = False) -> Ranked:
        forecast = forecaster.foretell(changes)
        after = sum(each.foretold.total for each in forecast.resources)
        return Ranked(forecast, label, first, before - after, enough)

    unlimited = before - forecaster.waiting(Changes(capacities=dict.fromkeys(resources, None)))
    if unlimited > _SHARE * before:
        if known.kind == "lock":
            removed = Changes(texts=(f"{known.name} removed",))
            removed.capacities = dict.fromkeys(resources, None)
            yield ranked(removed, f"{name} removed")
            split = Changes(texts=(f"{known.name} split {_PARTS}",))
            split.split = dict.fromkeys(resources, _PARTS)
            yield ranked(split, f"{name} split by key into {_PARTS}")
        else:
            for size in sorted({max(capacity + 1, round(capacity * f)) for f in _FACTORS}):
                changes = Changes(
                    capacities=dict.fromkeys(resources, size), texts=(f"{known.name}={size}",)
                )
                if before - forecaster.waiting(changes) >= _ENOUGH * unlimited:
                    yield ranked(changes, f"{name} {capacity} → {size}", enough=True)
                    break
    site = _longest_held(forecaster, resources)
    if site is not None:
        place = site_name(forecaster.timeline, site)
        changes = Changes(hold_factors={site: 0.5}, texts=(f"{place}*0.5",))
        yield ranked(changes, f"half the hold time at {place}")


def _longest_held(forecaster: Forecaster, resources: tuple[int, ...]) -> int | None:
    """Return the site whose acquisitions held ``resources`` for the longest time in all."""
    timeline = forecaster.timeline
    held: dict[int, int] = defaultdict(int)
    for resource in resources:
        for row in timeline.rows_of_resource[resource]:
            if timeline.entered(row) and timeline.exit_started[row] > 0:
                held[timeline.site[row]] += timeline.exit_started[row] - timeline.enter_ended[row]
    return max(held, key=held.__getitem__, default=None)
