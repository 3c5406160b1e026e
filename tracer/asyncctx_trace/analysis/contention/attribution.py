"""Attribution: charge the waits for a resource, ns by ns, to its holders."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property

from asyncctx_trace.analysis.contention.wait_chains import Cause, WaitChains, wait_chains
from asyncctx_trace.analysis.kernels.charges import Path, round_charges
from asyncctx_trace.analysis.occupancy import Occupancy
from asyncctx_trace.analysis.snapshot import Snapshot

__all__ = ["Blame", "Cause", "Share", "blame"]


@dataclass(frozen=True, slots=True)
class Share:
    """The waiting time that one task, holding at one site, cost the waiters of a resource."""

    site: int
    task: int
    path: Path
    """Resources from the one waited for to the one held at the site. Longer than one if the holder
    was itself kept waiting, by a holder of the next one."""
    ns: int
    cause: Cause | None = None
    """Why the holder did not go on meanwhile: it waited for something else than a limited resource,
    or the event loop stood still."""
    held: bool = True
    """Whether the task held the resource; otherwise it only blocked the event loop at the site."""

    @property
    def stalled(self) -> bool:
        """Whether the event loop stood still meanwhile."""
        return self.cause is not None and self.cause.stalled

    @property
    def charged(self) -> tuple[int, int]:
        """The site and the task to blame: the holder's, or those that blocked the event loop."""
        if self.cause is not None and self.cause.stalled:
            return self.cause.site, self.cause.task or self.task
        return self.site, self.task


@dataclass(frozen=True)
class Blame:
    """Whom the waiters of one resource waited for, in ns; ``blamed + unknown == total``.

    While the resource was not full, no holder is to blame: between a release and the time at which
    the next task runs, or while a connection is opened. If the event loop stood still then, the
    task that blocked it is. Several holders share the blame equally.
    """

    resource: int
    total: int
    unknown: int
    """The waiting time in which the resource was not full, and no event loop stood still."""
    hand_over: int = 0
    """The part of ``unknown`` between a release and the next enter; 0 if nothing is blamed."""
    shares: list[Share] = field(default_factory=list)
    """The largest first; their sum is ``blamed``."""

    @property
    def blamed(self) -> int:
        """The time charged to holders, in ns."""
        return self.total - self.unknown

    def by_site(self) -> list[tuple[int, Path, int]]:
        """Return (site, path, ns), the largest first.

        While the event loop stood still, that is the line that blocked it.
        """
        return self._by_site

    @cached_property
    def _by_site(self) -> list[tuple[int, Path, int]]:
        sums: dict[tuple[int, Path], int] = defaultdict(int)
        for share in self.shares:
            sums[share.charged[0], share.path] += share.ns
        return sorted(((*key, ns) for key, ns in sums.items()), key=lambda entry: -entry[2])

    def by_task(self) -> list[tuple[int, int]]:
        """Return (task, ns), the largest first."""
        sums: dict[int, int] = defaultdict(int)
        for share in self.shares:
            sums[share.charged[1]] += share.ns
        return sorted(sums.items(), key=lambda entry: -entry[1])


def blame(snapshot: Snapshot, resource: int) -> Blame:
    """Charge the waits for ``resource`` to its holders.

    A holder that waits itself, in its body, for another full resource passes the charge on to the
    holders of that one, and so on, until the path would return to one of its resources. The same
    holds if it waits for another task, and that one for the resource. The paths with most time are
    followed first; see :class:`~asyncctx_trace.analysis.kernels.charges.ChargePaths` for the
    limits, beyond which the charge stays with the holder. While the event loop stands still,
    everything is charged to the line that blocks it, even if the resource is not full.
    """
    occupancy = snapshot.occupancy(resource)
    chains = snapshot.once(wait_chains)
    total, blamed = occupancy.total_wait, occupancy.total_blocked
    shares = _stalled(occupancy, chains, resource)
    not_full = total - blamed - sum(share.ns for share in shares)
    if not blamed:
        return Blame(resource, total, not_full, shares=shares)
    charges = snapshot.kernels.for_rows(occupancy.rows).charges(chains, resource)
    whole = round_charges(charges.values(), blamed)
    shares += [
        Share(site, task, path, ns, chains.cause(cause))
        for (site, task, path, cause), ns in zip(charges, whole, strict=True)
        if ns
    ]
    shares.sort(key=lambda share: -share.ns)
    return Blame(resource, total, not_full, min(occupancy.hand_over_time, not_full), shares)


def _stalled(occupancy: Occupancy, chains: WaitChains, resource: int) -> list[Share]:
    """Return the time of waits while ``resource`` was not full and the event loop stood still."""
    stalled: dict[Cause, int] = defaultdict(int)
    users = {chains.timeline.task[row] for row in occupancy.rows} if chains.stalls else set()
    for start, end, cause, tasks in chains.stalls:
        if not users.isdisjoint(tasks) and (ns := occupancy.not_full_between(start, end)):
            stalled[cause] += ns
    return [
        Share(cause.site, cause.task or 0, (resource,), ns, cause, held=False)
        for cause, ns in stalled.items()
    ]
