"""Findings by their cause: the same kind at the same sites is one, with what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asyncctx_trace.analysis.findings import KINDS, SEVERITIES, Certainty, Finding, Severity
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.causes import causes_of
from asyncctx_trace.analysis.summary.resource_groups import ResourceGroup, group_resources

__all__ = ["FindingGroup", "group_findings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingGroup:
    """Findings of one kind and certainty at the same sites, with what follows from them."""

    kind: str
    severity: Severity
    certainty: Certainty
    sites: tuple[int, ...]
    """Where to look, best first."""
    resources: tuple[ResourceGroup, ...]
    """What it is about; objects that are alike together."""
    count: int
    """How many times it came up."""
    first: int
    """When it came up first (monotonic ns)."""
    last: int
    """When the last finding of the group came up first."""
    cost: int
    """ns lost by it, where that can be said."""
    sentence: str
    """About the worst of them: what happened, and where to look."""
    findings: tuple[Finding, ...]
    """All of them, the worst first."""
    consequences: tuple[FindingGroup, ...] = ()
    """What follows from it; these have no consequences of their own."""

    @property
    def examples(self) -> tuple[Finding, ...]:
        """The worst three."""
        return self.findings[:3]


def group_findings(snapshot: Snapshot, findings: Sequence[Finding]) -> list[FindingGroup]:
    """``findings`` grouped: the certain ones first, then by severity, kind and cost."""
    causes = causes_of(snapshot, findings)
    effects: dict[int, list[Finding]] = {}
    for index, cause in causes.items():
        effects.setdefault(cause, []).append(findings[index])
    roots = [(index, finding) for index, finding in enumerate(findings) if index not in causes]
    following = {id(finding): effects.get(index, []) for index, finding in roots}
    groups = []
    for members in _together(finding for _, finding in roots):
        caused = [effect for member in members for effect in following[id(member)]]
        consequences = [_group(snapshot, each, ()) for each in _together(caused)]
        groups.append(_group(snapshot, members, tuple(sorted(consequences, key=_rank))))
    return sorted(groups, key=_rank)


def _together(findings: Iterable[Finding]) -> list[list[Finding]]:
    """The findings of one kind and certainty at the same sites, in order of their first."""
    found: dict[tuple[str, Certainty, frozenset[int]], list[Finding]] = {}
    for finding in findings:
        key = finding.kind, finding.certainty, frozenset(finding.sites)
        found.setdefault(key, []).append(finding)
    return list(found.values())


def _group(
    snapshot: Snapshot, members: list[Finding], consequences: tuple[FindingGroup, ...]
) -> FindingGroup:
    ranked = sorted(members, key=lambda each: (-each.cost, each.at))
    worst = ranked[0]
    about = dict.fromkeys(each.resource for each in ranked if each.resource is not None)
    return FindingGroup(
        kind=worst.kind,
        severity=worst.severity,
        certainty=worst.certainty,
        sites=worst.sites,
        resources=tuple(group_resources(snapshot, list(about))),
        count=sum(each.count for each in members),
        first=min(each.at for each in members),
        last=max(each.at for each in members),
        cost=sum(each.cost for each in members),
        sentence=worst.summary,
        findings=tuple(ranked),
        consequences=consequences,
    )


def _rank(group: FindingGroup) -> tuple[bool, int, int, int, int]:
    return (
        group.certainty != "certain",
        SEVERITIES.index(group.severity),
        KINDS.index(group.kind),
        -group.cost,
        group.first,
    )
