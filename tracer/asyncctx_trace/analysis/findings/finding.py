"""What every finding has: evidence, certainty, one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Literal, TypeAlias

from asyncctx_trace.analysis.snapshot import Snapshot

__all__ = ["EVIDENCE", "Certainty", "Finding", "Severity", "by_site", "times"]

Certainty: TypeAlias = Literal["certain", "possible"]
Severity: TypeAlias = Literal["error", "warning", "note"]

EVIDENCE = 20
"""Rows and tasks kept of a finding that came up many times."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing worth telling. Each kind is a class of its own, in the module of its name."""

    kind: ClassVar[str]
    severity: ClassVar[Severity]

    certainty: Certainty
    summary: str
    """One sentence: what happened, and where to look."""
    resource: int | None
    """The resource that it is about most."""
    rows: tuple[int, ...]
    """The acquisitions that show it, the first few of many; the first is the one to look at."""
    tasks: tuple[int, ...]
    """The tasks that took part."""
    sites: tuple[int, ...]
    """Where to look, best first."""
    at: int
    """When it came up first (monotonic ns)."""
    cost: int = 0
    """ns that somebody lost by it, where that can be said: it ranks findings of one kind."""
    count: int = 1
    """How many times it came up."""

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


def by_site(snapshot: Snapshot, rows: Iterable[int]) -> dict[tuple[int, int], list[int]]:
    """``rows`` together that are of one resource and one site."""
    groups: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        groups.setdefault(
            (snapshot.timeline.resource[row], snapshot.timeline.site[row]), []
        ).append(row)
    return groups


def times(count: int) -> str:
    """``""`` for once, else how many times."""
    return "" if count == 1 else f" ({count} times)"
