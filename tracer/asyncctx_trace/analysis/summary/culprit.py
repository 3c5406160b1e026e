"""The one place in the program that kept the others waiting longest."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import compress
from operator import sub

from asyncctx_trace.analysis.contention.attribution import Blame
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.resource_groups import ResourceGroup
from asyncctx_trace.analysis.timeline.lookups import entered, holds_of, pick
from asyncctx_trace.analysis.timeline.table import NOT_YET

__all__ = ["Culprit", "culprit_of"]


@dataclass(frozen=True, slots=True)
class Culprit:
    """The holds of one resource, or of several that are alike, at one site."""

    site: int
    caller: int | None
    """The site of the manager whose enter made the longest hold, where there is one."""
    group: ResourceGroup
    """What was held."""
    waited: int
    """ns that tasks waited because of these holds, for this resource or for another whose holders
    were kept waiting by them."""
    waited_in_all: int
    """ns that tasks waited for any resource."""
    holds: int
    longest: int
    """ns of the longest hold, its cleanup included; one that goes on counts up to now."""
    row: int
    """The acquisition of the longest hold."""
    lasts: bool
    """Whether the longest hold had not ended."""
    waiters: int
    """Tasks that waited for the full resource at the same time during the longest hold."""


def culprit_of(
    snapshot: Snapshot, blames: Mapping[int, Blame], groups: Iterable[ResourceGroup]
) -> Culprit | None:
    """The culprit according to ``blames`` (by resource); ``None`` where nobody kept others waiting.

    ``groups`` are all resources, each in one group.
    """
    group_of = {resource: group for group in groups for resource in group.resources}
    charged: dict[tuple[ResourceGroup, int], int] = defaultdict(int)
    for blamed in blames.values():
        for site, way, ns in blamed.by_site():
            group = group_of.get(way[-1])
            if group is not None:
                charged[group, site] += ns
    if not charged:
        return None
    group, site = max(charged, key=charged.__getitem__)
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
        waited=charged[group, site],
        waited_in_all=sum(blamed.total for blamed in blames.values()),
        holds=len(rows),
        longest=lengths[longest],
        row=rows[longest],
        lasts=timeline.exit_ended[rows[longest]] == NOT_YET,
        waiters=_waiters(snapshot, rows[longest], starts[longest], ends[longest]),
    )


def _waiters(snapshot: Snapshot, row: int, start: int, end: int) -> int:
    """The longest queue before the resource of ``row`` between two moments."""
    occupancy = snapshot.occupancy(snapshot.timeline.resource[row])
    first = max(0, bisect_right(occupancy.times, start) - 1)
    return max(occupancy.blocked_waiters[first : bisect_left(occupancy.times, end)], default=0)


def _caller(snapshot: Snapshot, row: int) -> int | None:
    """The site of the outermost manager that was still being entered when ``row`` was asked for."""
    timeline = snapshot.timeline
    caller, around = None, snapshot.parents[row]
    while around >= 0:
        ended = timeline.enter_ended[around]
        if NOT_YET < ended < timeline.enter_ended[row]:
            break
        caller, around = timeline.site[around], snapshot.parents[around]
    return caller
