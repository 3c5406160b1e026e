"""Findings grouped by cause: one group for each kind and set of sites, with its consequences."""

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
    """Findings of one kind and certainty at the same sites, with their consequences."""

    kind: str
    severity: Severity
    certainty: Certainty
    sites: tuple[int, ...]
    """Where to look, the best site first."""
    resources: tuple[ResourceGroup, ...]
    """The resources that are concerned; similar ones are grouped."""
    count: int
    """How often it happened."""
    first: int
    """When it first happened (monotonic ns)."""
    last: int
    """When the last finding of the group first happened."""
    cost: int
    """The time lost by it in ns, 0 if unknown."""
    sentence: str
    """What happened in the worst of them, and where to look."""
    findings: tuple[Finding, ...]
    """All findings, the worst first."""
    consequences: tuple[FindingGroup, ...] = ()
    """Groups of findings that follow from it, without consequences of their own."""

    @property
    def examples(self) -> tuple[Finding, ...]:
        """The three worst findings."""
        return self.findings[:3]


def group_findings(snapshot: Snapshot, findings: Sequence[Finding]) -> list[FindingGroup]:
    """Return ``findings`` in groups, the certain ones first, then by severity, kind and cost."""
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
    """Return the findings of each kind and certainty at the same sites, in order of the first."""
    result: dict[tuple[str, Certainty, frozenset[int]], list[Finding]] = {}
    for finding in findings:
        key = finding.kind, finding.certainty, frozenset(finding.sites)
        result.setdefault(key, []).append(finding)
    return list(result.values())


def _group(
    snapshot: Snapshot, members: list[Finding], consequences: tuple[FindingGroup, ...]
) -> FindingGroup:
    ranked = sorted(members, key=lambda each: (-each.cost, each.at))
    worst = ranked[0]
    about = dict.fromkeys(finding.resource for finding in ranked if finding.resource is not None)
    return FindingGroup(
        kind=worst.kind,
        severity=worst.severity,
        certainty=worst.certainty,
        sites=worst.sites,
        resources=tuple(group_resources(snapshot, list(about))),
        count=sum(member.count for member in members),
        first=min(member.at for member in members),
        last=max(member.at for member in members),
        cost=sum(member.cost for member in members),
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
