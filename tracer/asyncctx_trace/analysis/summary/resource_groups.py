"""Groups of resources: equal in kind, capacity and name, and used at the same sites."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from asyncctx_trace.analysis.contention.costs import ResourceUse
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.row_lookup import pick
from asyncctx_trace.model.names import resource_name

__all__ = ["ResourceGroup", "group_resources", "use_of"]

_FEW = 3
"""The number of similar resources from which they are grouped: two pools of one class are two."""
_VARYING = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|'[^']*'|\"[^\"]*\"|\d+")
"""The parts in which the names of similar resources differ: keys, arguments, numbers."""


@dataclass(frozen=True, slots=True)
class ResourceGroup:
    """One resource, or several similar ones."""

    kind: str
    name: str
    """The common name; parts that differ are written as ``…``."""
    capacity: int | None
    """The capacity of each."""
    resources: tuple[int, ...] = field(hash=False)
    """Not hashed: a group of n resources is looked up n times."""

    def __len__(self) -> int:
        return len(self.resources)


def group_resources(snapshot: Snapshot, resources: Sequence[int]) -> list[ResourceGroup]:
    """Return ``resources`` in groups, in order of the first of each."""
    buckets: dict[tuple[str, str, int | None], list[int]] = {}
    for resource in resources:
        definition = snapshot.timeline.resources.get(resource)
        if definition is None:
            buckets[resource_name(snapshot.timeline, resource), "", None] = [resource]
        else:
            key = definition.kind, _VARYING.sub("…", definition.name), definition.capacity
            buckets.setdefault(key, []).append(resource)
    order = {resource: index for index, resource in enumerate(resources)}
    groups = []
    for members in buckets.values():
        if len(members) < _FEW:
            groups += [_group(snapshot, [resource]) for resource in members]
        else:
            groups += [_group(snapshot, alike) for alike in _sharing_a_site(snapshot, members)]
    return sorted(groups, key=lambda group: order[group.resources[0]])


def use_of(snapshot: Snapshot, group: ResourceGroup, uses: Iterable[ResourceUse]) -> ResourceUse:
    """Return the use of all members of ``group``, whose uses are ``uses``.

    Durations are those of all members together; the longest queue, its time and the utilisation are
    those of the worst member.
    """
    members = list(uses)
    if len(members) == 1:
        return members[0]
    worst = max(members, key=lambda use: (use.most_waiters, use.wait.total))
    rows = array("q")
    for resource in group.resources:
        rows.extend(snapshot.timeline.rows_of_resource[resource])
    kernels = snapshot.kernels.for_rows(rows)
    wait, hold, cleanup = kernels.duration_stats(snapshot.timeline, rows, snapshot.now)
    used = [use.utilisation for use in members if use.utilisation is not None]
    return ResourceUse(
        resource=worst.resource,
        kind=group.kind,
        name=group.name,
        capacity=group.capacity,
        contends=worst.contends,
        acquisitions=sum(use.acquisitions for use in members),
        contended=sum(use.contended for use in members),
        wait=wait,
        hold=hold,
        cleanup=cleanup,
        most_waiters=worst.most_waiters,
        most_waiters_at=worst.most_waiters_at,
        utilisation=max(used, default=None),
        overtaken=sum(use.overtaken for use in members),
    )


def _group(snapshot: Snapshot, resources: list[int]) -> ResourceGroup:
    first = snapshot.timeline.resources.get(resources[0])
    if first is None:
        return ResourceGroup(
            "manager", resource_name(snapshot.timeline, resources[0]), None, tuple(resources)
        )
    names = {snapshot.timeline.resources[resource].name for resource in resources}
    name = first.name if len(names) == 1 else _common(sorted(names))
    return ResourceGroup(first.kind, name, first.capacity, tuple(resources))


def _common(names: list[str]) -> str:
    """Return the common name of ``names``: parts that differ become ``…``."""
    fixed = _VARYING.split(names[0])
    columns = zip(*map(_VARYING.findall, names), strict=True)
    varying = [column[0] if len(set(column)) == 1 else _blank(column[0]) for column in columns]
    return "".join(text + gap for text, gap in zip(fixed, [*varying, ""], strict=True))


def _blank(part: str) -> str:
    return "…" if part.isdigit() else f"{part[0]}…{part[-1]}"


def _sharing_a_site(snapshot: Snapshot, resources: list[int]) -> list[list[int]]:
    """Return ``resources`` grouped by common sites, direct or through others (union-find)."""
    timeline = snapshot.timeline
    leader: dict[int, int] = {}

    def find(site: int) -> int:
        while leader.setdefault(site, site) != site:
            leader[site] = leader[leader[site]]
            site = leader[site]
        return site

    sites_of = {
        resource: list(set(pick(timeline.site, timeline.rows_of_resource.get(resource, ()))))
        for resource in resources
    }
    for sites in sites_of.values():
        for site in sites:
            leader[find(site)] = find(sites[0])
    groups: dict[int, list[int]] = {}
    for resource, sites in sites_of.items():
        groups.setdefault(find(sites[0]) if sites else -1, []).append(resource)
    return list(groups.values())
