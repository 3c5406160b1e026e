"""The differences between two recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePath
from typing import TypeAlias

from asyncctx_trace.analysis.cleanup import Order, orders
from asyncctx_trace.analysis.findings import Finding, Thresholds, find_in
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import SiteDefined

__all__ = ["Change", "Comparison", "SiteKey", "compare"]

SiteKey: TypeAlias = tuple[str, str, str, str, str, int]
"""The key of an acquisition in both recordings: kind and name of the resource; file, function and
source of the site, and its number among such sites."""

_SLOWER = 1.25
"""The factor below which a difference is noise."""
_LONGER = 1_000_000
"""The difference, in ns, below which it is noise as well."""


@dataclass(frozen=True, slots=True)
class Change:
    """One resource at one site, in the first and in the second recording."""

    key: SiteKey
    before_line: int | None
    after_line: int | None
    before: dict[str, DurationStats]
    """Statistics of wait, hold and cleanup; empty if it is not in that recording."""
    after: dict[str, DurationStats]

    def grown(self, phase: str) -> int:
        """By how many ns the 95th percentile of a phase became longer; 0 within the noise."""
        if not self.before or not self.after:
            return 0
        before, after = self.before[phase].p95, self.after[phase].p95
        longer, shorter = max(before, after), min(before, after)
        noise = longer - shorter < _LONGER or longer < _SLOWER * shorter
        return 0 if noise else after - before


@dataclass(frozen=True, slots=True)
class Comparison:
    """The changes from ``before`` to ``after``."""

    before: Snapshot
    after: Snapshot
    changes: list[Change]
    """Every resource and site of both, the one that became slower most first."""
    new_findings: list[Finding]
    """Findings that only the second recording has."""
    gone_findings: list[Finding]
    """Findings that only the first recording has."""
    new_orders: list[Order]
    """Orders of exits that only the second recording has."""
    gone_orders: list[Order]

    @property
    def slower(self) -> list[tuple[Change, str, int]]:
        """Return (change, phase, ns) for what takes longer now, the worst first."""
        grown = [(c, phase, c.grown(phase)) for c in self.changes for phase in c.after]
        return sorted((entry for entry in grown if entry[2] > 0), key=lambda entry: -entry[2])

    @property
    def faster(self) -> list[tuple[Change, str, int]]:
        """Return (change, phase, ns) for what takes less time now, the best first."""
        grown = [(c, phase, c.grown(phase)) for c in self.changes for phase in c.after]
        return sorted((entry for entry in grown if entry[2] < 0), key=lambda entry: entry[2])

    @property
    def appeared(self) -> list[Change]:
        """What only the second recording contains."""
        return [change for change in self.changes if not change.before]

    @property
    def disappeared(self) -> list[Change]:
        """What only the first recording contains."""
        return [change for change in self.changes if not change.after]


def compare(before: Snapshot, after: Snapshot, thresholds: Thresholds | None = None) -> Comparison:
    """Compare two recordings by resource and site; lines may have moved in between."""
    limits = thresholds or Thresholds()
    sites = _Sites(before), _Sites(after)
    rows = [recording.rows() for recording in sites]
    changes = [
        Change(
            key,
            sites[0].line(rows[0].get(key)),
            sites[1].line(rows[1].get(key)),
            sites[0].duration_stats(rows[0].get(key)),
            sites[1].duration_stats(rows[1].get(key)),
        )
        for key in dict.fromkeys([*rows[0], *rows[1]])
    ]
    changes.sort(key=lambda change: -max(map(change.grown, ("wait", "hold", "cleanup"))))
    findings = [find_in(snapshot, limits) for snapshot in (before, after)]
    known = [
        Counter(_finding_key(s, f) for f in found) for s, found in zip(sites, findings, strict=True)
    ]
    unwound = [orders(snapshot) for snapshot in (before, after)]
    seen = [
        {_order_key(s, order) for order in found} for s, found in zip(sites, unwound, strict=True)
    ]
    return Comparison(
        before,
        after,
        changes,
        [f for f in findings[1] if _finding_key(sites[1], f) not in known[0]],
        [f for f in findings[0] if _finding_key(sites[0], f) not in known[1]],
        [order for order in unwound[1] if _order_key(sites[1], order) not in seen[0]],
        [order for order in unwound[0] if _order_key(sites[0], order) not in seen[1]],
    )


class _Sites:
    """The sites of one recording, with keys by which they are found in another one."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._sites = _alike(snapshot.timeline)

    def key(self, resource: int, site: int) -> SiteKey:
        """Return the key of ``resource`` at ``site``."""
        definition = self.snapshot.timeline.resources.get(resource)
        kind, name = (definition.kind, definition.name) if definition else ("", "")
        return (kind, name, *self._sites.get(site, ("", "", "", 0)))

    def rows(self) -> dict[SiteKey, list[int]]:
        """Return the rows by key."""
        timeline = self.snapshot.timeline
        result: dict[SiteKey, list[int]] = {}
        for row in range(len(timeline)):
            key = self.key(timeline.resource[row], timeline.site[row])
            result.setdefault(key, []).append(row)
        return result

    def line(self, rows: list[int] | None) -> int | None:
        """Return the line of ``rows`` in this recording's source."""
        definition = (
            self.snapshot.timeline.sites.get(self.snapshot.timeline.site[rows[0]]) if rows else None
        )
        return definition.line if definition else None

    def duration_stats(self, rows: Iterable[int] | None) -> dict[str, DurationStats]:
        """Return the statistics of ``rows`` by phase."""
        if rows is None:
            return {}
        snapshot = self.snapshot
        entered = [row for row in rows if snapshot.timeline.entered(row)]
        return {
            "wait": DurationStats.of(map(snapshot.wait_length, rows)),
            "hold": DurationStats.of(map(snapshot.body_length, entered)),
            "cleanup": DurationStats.of(map(snapshot.exit_length, entered)),
        }


def _alike(timeline: Timeline) -> dict[int, tuple[str, str, str, int]]:
    """Return site -> file name, function, source, and its number among equal ones.

    The folder does not count, so that two checkouts can be compared.
    """

    def key_of(site: SiteDefined) -> tuple[str, str, str]:
        return PurePath(site.file).name, site.function, site.text

    ranked = sorted(timeline.sites.values(), key=lambda s: (*key_of(s), s.line, s.site))
    result: dict[int, tuple[str, str, str, int]] = {}
    for key, group in groupby(ranked, key=key_of):
        for number, (_, same) in enumerate(groupby(group, key=lambda s: s.line)):
            result.update((site.site, (*key, number)) for site in same)
    return result


def _finding_key(sites: _Sites, finding: Finding) -> Hashable:
    timeline = sites.snapshot.timeline
    at = [(timeline.resource[row], timeline.site[row]) for row in finding.rows[:2]]
    return finding.kind, finding.certainty, frozenset(sites.key(*pair) for pair in at)


def _order_key(sites: _Sites, order: Order) -> Hashable:
    return order.in_order, tuple(sites.key(*pair) for pair in order.left)
