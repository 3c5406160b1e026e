"""Who let tasks wait for queues, events and other tasks: the rows of a table, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from asyncctx_trace.analysis.contention.wait_blame import Reason, WaitBlame, WaitShare
from asyncctx_trace.analysis.kernels.wait_groups import WaitGroup
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.wait_subjects import describe_kind
from asyncctx_trace.model.names import resource_name
from asyncctx_trace.model.waits import WaitKind

__all__ = ["WaitCharge", "describe_charge", "wait_charges"]

_PHRASES: dict[Reason, str] = {
    "ran": "ran",
    "entered": "entered {}",
    "left": "left {}",
    "held": "held {}",
    "not full": "entered {}, which was not full",
    "waited": "waited for {}",
    "stalled": "blocked the event loop",
}


@dataclass(frozen=True, slots=True)
class WaitCharge:
    """The time of a group of waits that is charged to one line, for what tasks did there."""

    group: WaitGroup
    tasks: tuple[int, ...]
    """The tasks that did it, the one with most time first."""
    site: int
    """0 if it is before the first event of the task."""
    reason: Reason
    resource: int
    """The resource of the share with most time; 0 for none."""
    kind: WaitKind | None
    ns: int

    @property
    def is_its_own(self) -> bool:
        """Whether the waiting tasks are charged themselves, as for a ``sleep``."""
        return self.reason == "waited" and (self.site, self.kind) == (
            self.group.site,
            self.group.kind,
        )


def wait_charges(
    snapshot: Snapshot, blamed: WaitBlame, groups: Iterable[WaitGroup]
) -> list[WaitCharge]:
    """Return who let the tasks of ``groups`` wait, by line, most time first.

    What tasks waited for at their own line, with no other task to end it, is left out.
    """
    found: list[WaitCharge] = []
    for group in groups:
        alike: dict[tuple[int, Reason, str, WaitKind | None], list[WaitShare]] = {}
        for share in blamed.of(group):
            name = resource_name(snapshot.timeline, share.resource) if share.resource else ""
            alike.setdefault((share.site, share.reason, name, share.kind), []).append(share)
        found += [
            WaitCharge(
                group,
                tuple(dict.fromkeys(each.task for each in shares if each.task is not None)),
                site,
                reason,
                shares[0].resource,
                kind,
                sum(each.ns for each in shares),
            )
            for (site, reason, _, kind), shares in alike.items()
        ]
    return sorted(
        (each for each in found if not each.is_its_own), key=lambda each: (-each.ns, each.site)
    )


def describe_charge(snapshot: Snapshot, charge: WaitCharge, width: int) -> str:
    """Return what the tasks did, such as ``producer waited for a timer``.

    ``width``: the largest width of a name, in cells.
    """
    if charge.kind is not None:
        what = describe_kind(charge.kind, "")
    else:
        known = charge.resource
        what = f"`{resource_name(snapshot.timeline, known, width)}`" if known else "an object"
    doing = _PHRASES[charge.reason].format(what)
    if not charge.tasks:
        return f"a callback {doing}"
    others = len(charge.tasks) - 1
    who = snapshot.task_name(charge.tasks[0]) + (f" and {others} more" if others else "")
    return f"{who} {doing}"
