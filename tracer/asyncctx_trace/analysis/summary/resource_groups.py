"""Objects that a program makes many of: alike in kind, size and name, used at the same sites."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asyncctx_trace.analysis.contention.costs import ResourceUse
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.lookups import pick
from asyncctx_trace.model.names import resource_name

__all__ = ["ResourceGroup", "group_resources", "use_of"]

_FEW = 3
"""Objects from which on they are shown as one: two pools of one class are two pools."""
_VARYING = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|'[^']*'|\"[^\"]*\"|\d+")
"""The parts of a name in which one object differs from the next: keys, arguments, numbers."""


@dataclass(frozen=True, slots=True)
class ResourceGroup:
    """One resource, or several that are alike."""

    kind: str
    name: str
    """The name that all of them have; what differs is written as ``…``."""
    capacity: int | None
    """Of each."""
    resources: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.resources)


def group_resources(snapshot: Snapshot, resources: Sequence[int]) -> list[ResourceGroup]:
    """``resources`` with those that are alike together, in order of the first of each."""
    buckets: dict[tuple[str, str, int | None], list[int]] = {}
    for resource in resources:
        known = snapshot.timeline.resources.get(resource)
        if known is None:
            buckets[resource_name(snapshot.timeline, resource), "", None] = [resource]
        else:
            key = known.kind, _VARYING.sub("…", known.name), known.capacity
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
    """What ``group`` cost the tasks that wanted its members; ``uses`` are those of the members.

    Durations are those of all members together; the longest queue, the utilisation and the time of
    it are those of the worst member.
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
    """The name of all of ``names``: parts that differ become ``…``, parts that are equal stay."""
    fixed = _VARYING.split(names[0])
    columns = zip(*map(_VARYING.findall, names), strict=True)
    varying = [column[0] if len(set(column)) == 1 else _blank(column[0]) for column in columns]
    return "".join(text + gap for text, gap in zip(fixed, [*varying, ""], strict=True))


def _blank(part: str) -> str:
    return "…" if part.isdigit() else f"{part[0]}…{part[-1]}"


def _sharing_a_site(snapshot: Snapshot, resources: list[int]) -> list[list[int]]:
    """``resources`` with those together that were used at a common site, directly or by others."""
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
