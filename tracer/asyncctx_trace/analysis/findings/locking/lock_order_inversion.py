"""Locks that are taken in one order here and in the opposite one there."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.deadlocks.cycles import avoided, cycles_of
from asyncctx_trace.analysis.deadlocks.lock_order import Inversion, inversions
from asyncctx_trace.analysis.findings.finding import Finding
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.occupancy import limit_of
from asyncctx_trace.analysis.snapshot import Snapshot

__all__ = ["LockOrderInversion"]


class LockOrderInversion(Finding):
    """The program did not deadlock this time, but can.

    Certain only if both orders are of the same locks, each lets one task in, and the two orders
    have been seen at the same time, so that nothing keeps the tasks apart.
    """

    kind = "lock-order-inversion"
    severity = "error"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each pair or larger cycle, except for those that did deadlock."""
        timeline = snapshot.timeline
        known = {
            frozenset(timeline.resource[row] for row in cycle.waits)
            for cycle in (*snapshot.once(cycles_of), *snapshot.once(avoided))
        }
        for inversion in inversions(snapshot):
            rows = [row for n in inversion.nestings for row in (n.inner, n.outer)]
            resources = frozenset(timeline.resource[row] for row in rows)
            if resources in known:
                continue
            exclusive = all(
                timeline.resources[resource].kind != "condition"
                and timeline.resources[resource].capacity == 1
                and limit_of(timeline.resources[resource]) == 1
                for resource in resources
            )
            yield cls.of(
                snapshot,
                rows,
                _say(snapshot, inversion),
                certainty="certain" if inversion.concurrent and exclusive else "possible",
                at=max(timeline.enter_started[row] for row in rows),
            )


def _say(snapshot: Snapshot, inversion: Inversion) -> str:
    timeline = snapshot.timeline
    ways = "; ".join(
        f"{snapshot.task_name(n.task)} took `{snapshot.resource_name(timeline.resource[n.outer])}` "
        f"at {snapshot.site_label(timeline.site[n.outer])}, then "
        f"{snapshot.acquisition_label(n.inner)}"
        for n in inversion.nestings
    )
    meant = {
        "resource": "",
        "name": " (others of the same names)",
        "site": " (others taken at the same places)",
    }[inversion.level]
    return f"{ways}{meant}: tasks that do this at the same moment hang."
