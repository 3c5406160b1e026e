"""The fields of all findings: evidence, certainty, summary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Literal, TypeAlias

from asyncctx_trace.analysis.deadlocks.stuck_groups import StuckGroup, describe_stuck
from asyncctx_trace.analysis.snapshot import Snapshot

__all__ = ["EVIDENCE", "Certainty", "Finding", "Severity", "by_site", "times"]

Certainty: TypeAlias = Literal["certain", "possible"]
Severity: TypeAlias = Literal["error", "warning", "note"]

EVIDENCE = 20
"""The number of rows and tasks that are kept of a frequent finding."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing worth reporting. Each kind is a subclass, in a module of the same name."""

    kind: ClassVar[str]
    severity: ClassVar[Severity]

    certainty: Certainty
    summary: str
    """One sentence: what happened, and where to look."""
    resource: int | None
    """The resource that is concerned most."""
    rows: tuple[int, ...]
    """The acquisitions that prove it, the first few of many; the first one is the one to show."""
    tasks: tuple[int, ...]
    """The tasks that are involved."""
    sites: tuple[int, ...]
    """Where to look, the best site first."""
    at: int
    """When it first happened (monotonic ns)."""
    cost: int = 0
    """The time lost by it in ns, 0 if unknown; it ranks findings of one kind."""
    count: int = 1
    """How often it happened."""

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        rows: Iterable[int],
        summary: str,
        *,
        certainty: Certainty = "certain",
        at: int,
        cost: int = 0,
        count: int = 1,
        tasks: Iterable[int] = (),
        sites: Iterable[int] = (),
    ) -> Finding:
        """Return a finding of this kind about ``rows``.

        Sites, tasks and the resource follow from the rows; ``tasks`` and ``sites`` are added.
        """
        shown = tuple(islice(rows, EVIDENCE))
        timeline = snapshot.timeline
        took_part = [timeline.task[row] for row in shown] + list(tasks)
        return cls(
            certainty=certainty,
            summary=summary,
            resource=timeline.resource[shown[0]] if shown else None,
            rows=shown,
            tasks=tuple(dict.fromkeys(took_part))[:EVIDENCE],
            sites=tuple(dict.fromkeys([*(timeline.site[row] for row in shown), *sites])),
            at=at,
            cost=cost,
            count=count,
        )

    @classmethod
    def from_stuck(cls, snapshot: Snapshot, group: StuckGroup) -> Finding:
        """Return a finding of this kind about tasks that can never go on."""
        waiting = [member.row for member in group.members if member.row is not None]
        return cls.of(
            snapshot,
            (*waiting, *group.holds),
            f"{describe_stuck(snapshot, group)}.",
            certainty="certain" if group.certain else "possible",
            at=group.since,
            cost=sum(group.until - member.since for member in group.members),
            tasks=[member.task for member in group.members],
            sites=[member.site for member in group.members],
        )


def by_site(snapshot: Snapshot, rows: Iterable[int]) -> dict[tuple[int, int], list[int]]:
    """Return (resource, site) -> the rows of ``rows``, in order of the first of each."""
    groups: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        groups.setdefault(
            (snapshot.timeline.resource[row], snapshot.timeline.site[row]), []
        ).append(row)
    return groups


def times(count: int) -> str:
    """Return ``" (N times)"``, or ``""`` for once."""
    return "" if count == 1 else f" ({count} times)"
