"""The sites that kept other tasks waiting longest."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import compress
from operator import sub

from asyncctx_trace.analysis.contention.attribution import Blame, Cause
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.resource_groups import ResourceGroup
from asyncctx_trace.analysis.timeline.row_lookup import entered, holds_of, pick
from asyncctx_trace.analysis.timeline.table import NOT_YET

__all__ = ["Culprit", "culprit_of", "culprits_of"]


@dataclass(frozen=True, slots=True)
class Culprit:
    """The holds of one resource, or of several similar ones, at one site."""

    site: int
    caller: int | None
    """The site of the manager during whose enter the longest hold began, if any."""
    group: ResourceGroup
    """The resource that was held."""
    waited: int
    """The time that tasks waited because of these holds, in ns: for this resource, or for another
    one whose holders waited for them."""
    waited_in_all: int
    """The time that tasks waited for any resource, in ns."""
    causes: Mapping[Cause, int]
    """Why the holders did not go on meanwhile -> the part of ``waited`` that is due to it, in ns;
    what is missing passed while they ran, or is not known."""
    rows: Sequence[int]
    """The acquisitions."""
    held: int
    """For how long they were held, cleanup included, in ns."""
    longest: int
    """The longest hold, cleanup included, in ns; an open one ends now."""
    row: int
    """The acquisition of the longest hold."""
    lasts: bool
    """Whether the longest hold had not ended."""
    waiters: int
    """The number of tasks that waited at the same time during the longest hold."""

    @property
    def holds(self) -> int:
        """How often it was held."""
        return len(self.rows)


def culprit_of(
    snapshot: Snapshot, blames: Mapping[int, Blame], groups: Iterable[ResourceGroup]
) -> Culprit | None:
    """Return the site with most charges, ``None`` if no task kept another one waiting.

    ``blames`` are by resource; ``groups`` contain each resource once.
    """
    return next(iter(culprits_of(snapshot, blames, groups, most=1)), None)


def culprits_of(
    snapshot: Snapshot, blames: Mapping[int, Blame], groups: Iterable[ResourceGroup], most: int
) -> list[Culprit]:
    """Return the sites with most charges, at most ``most`` of them, the worst first."""
    group_of = {resource: group for group in groups for resource in group.resources}
    charged: dict[tuple[ResourceGroup, int], Counter[Cause | None]] = defaultdict(Counter)
    for blamed in blames.values():
        for share in blamed.shares:
            group = group_of.get(share.path[-1])
            if group is not None and not share.stalled:
                charged[group, share.site][share.cause] += share.ns
    in_all = sum(blamed.total for blamed in blames.values())
    worst = nlargest(most, charged.items(), key=lambda entry: entry[1].total())
    return [_culprit(snapshot, group, site, causes, in_all) for (group, site), causes in worst]


def _culprit(
    snapshot: Snapshot,
    group: ResourceGroup,
    site: int,
    causes: Counter[Cause | None],
    waited_in_all: int,
) -> Culprit:
    timeline = snapshot.timeline
    rows = array("q")
    for resource in group.resources:
        used = timeline.rows_of_resource[resource]
        rows.extend(compress(used, map(site.__eq__, pick(timeline.site, used))))
    rows = array("q", entered(timeline, rows))
    starts, ends = holds_of(timeline, rows, snapshot.now)
    lengths = list(map(sub, ends, starts))
    longest = max(range(len(rows)), key=lengths.__getitem__)
    return Culprit(
        site=site,
        caller=_caller(snapshot, rows[longest]),
        group=group,
        waited=causes.total(),
        waited_in_all=waited_in_all,
        causes={cause: ns for cause, ns in causes.items() if cause is not None},
        rows=rows,
        held=sum(lengths),
        longest=lengths[longest],
        row=rows[longest],
        lasts=timeline.exit_ended[rows[longest]] == NOT_YET,
        waiters=_waiters(snapshot, rows[longest], starts[longest], ends[longest]),
    )


def _waiters(snapshot: Snapshot, row: int, start: int, end: int) -> int:
    """Return the longest queue for the resource of ``row`` between two times."""
    occupancy = snapshot.occupancy(snapshot.timeline.resource[row])
    first = max(0, bisect_right(occupancy.times, start) - 1)
    return max(occupancy.blocked_waiters[first : bisect_left(occupancy.times, end)], default=0)


def _caller(snapshot: Snapshot, row: int) -> int | None:
    """Return the site of the outermost manager whose enter was open when ``row`` was asked for."""
    timeline = snapshot.timeline
    caller, around = None, snapshot.parents[row]
    while around >= 0:
        ended = timeline.enter_ended[around]
        if NOT_YET < ended < timeline.enter_ended[row]:
            break
        caller, around = timeline.site[around], snapshot.parents[around]
    return caller
