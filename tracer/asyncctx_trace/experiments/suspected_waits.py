"""Deadlocks that a recording makes conceivable, through a queue, an event or another task.

A task waited for something while it held a lock, another task saw to it, and that one acquires the
lock, too. Had it asked for the lock before, both would have waited for ever. Nothing of this is
wrong by itself, so it is no finding of a report: only an experiment tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from asyncctx_trace.analysis.findings.locking.deadlock import Deadlock
from asyncctx_trace.analysis.occupancy import contends
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.analysis.wait_subjects import describe_subject
from asyncctx_trace.experiments.places import place_of, places_towards
from asyncctx_trace.experiments.plans import HANGS, Plan, sites_of
from asyncctx_trace.steering.order import AT_MOST, Hold, Others, Rule

__all__ = ["suspected_waits"]

_EXAMPLES = 3
"""How many places are tried for the task that ends the wait."""


def suspected_waits(snapshot: Snapshot, folder: Path, *, at_most: int = AT_MOST) -> list[Plan]:
    """Return how to make each such deadlock happen, one for each pair of lines.

    O(n) for n acquisitions and waits. ``folder``, ``at_most``: see
    :func:`~asyncctx_trace.experiments.plans.plan_for`.
    """
    timeline = snapshot.timeline
    found: dict[tuple[int, int, int], Plan] = {}
    for hold, wait in _waits_while_holding(snapshot):
        resource, waker = timeline.resource[hold], timeline.waits.woken_by[wait]
        for request in timeline.rows_of_task.get(waker, ()):
            if timeline.resource[request] != resource or waker == timeline.task[hold]:
                continue
            key = resource, timeline.waits.site[wait], timeline.site[request]
            if key not in found:
                plan = _plan(snapshot, hold, wait, request, folder, at_most)
                if plan is not None:
                    found[key] = plan
    return list(found.values())


def _waits_while_holding(snapshot: Snapshot) -> Iterator[tuple[int, int]]:
    """Yield each hold of a lock with each wait within it that another task ended."""
    timeline, waits = snapshot.timeline, snapshot.timeline.waits
    for row in range(len(timeline)):
        resource = timeline.resources.get(timeline.resource[row])
        if not timeline.entered(row) or not contends(resource):
            continue
        if resource is None or resource.capacity != 1:
            continue
        ended = timeline.exit_started[row]
        until = snapshot.now if ended == NOT_YET else ended
        for wait in waits.rows_between(timeline.task[row], timeline.enter_ended[row], until):
            if waits.woken_by[wait]:
                yield row, wait


def _plan(
    snapshot: Snapshot, hold: int, wait: int, request: int, folder: Path, at_most: int
) -> Plan | None:
    timeline = snapshot.timeline
    name = timeline.resources[timeline.resource[hold]].name
    stands = place_of(snapshot, timeline.waits.site[wait], folder, holding=name)
    if stands is None:
        return None
    until = (Others(stands),)
    places = places_towards(snapshot, request, folder)[:_EXAMPLES]
    orders: list[tuple[Rule, ...]] = [(Hold(place, until, at_most),) for place in places]
    waiter, waker = timeline.task[hold], timeline.task[request]
    sites = [timeline.waits.site[wait], timeline.site[request]]
    lock = snapshot.resource_name(timeline.resource[hold])
    finding = Deadlock.of(
        snapshot,
        (hold, request),
        f"{snapshot.task_name(waiter)} waited for {describe_subject(timeline, wait)} at "
        f"{snapshot.site_label(sites[0])} while it held {snapshot.acquisition_label(hold)}; "
        f"{snapshot.task_name(waker)} ended that, and takes `{lock}` at "
        f"{snapshot.site_label(sites[1])}: if it asks for it before, both hang.",
        certainty="possible",
        at=timeline.waits.started[wait],
        sites=sites,
    )
    return Plan(finding, tuple(orders), HANGS, sites_of(snapshot, sites), 2) if orders else None
