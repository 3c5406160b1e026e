"""What became different from one recording to another."""

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

__all__ = ["Change", "Comparison", "Place", "compare"]

Place: TypeAlias = tuple[str, str, str, str, str, int]
"""What makes an acquisition of one recording the same as one of another: kind and name of the
resource; file, function and source of the site, and which of several such sites it is."""

_SLOWER = 1.25
"""Below this factor a difference is noise."""
_LONGER = 1_000_000
"""ns; below this difference it is noise, too."""


@dataclass(frozen=True, slots=True)
class Change:
    """One resource at one site, in the first recording and in the second."""

    place: Place
    before_line: int | None
    after_line: int | None
    before: dict[str, DurationStats]
    """Durations of wait, hold and cleanup; empty where it was not there."""
    after: dict[str, DurationStats]

    def grown(self, phase: str) -> int:
        """ns by which a phase became longer at its 95th percentile; zero within the noise."""
        if not self.before or not self.after:
            return 0
        before, after = self.before[phase].p95, self.after[phase].p95
        longer, shorter = max(before, after), min(before, after)
        noise = longer - shorter < _LONGER or longer < _SLOWER * shorter
        return 0 if noise else after - before


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed from ``before`` to ``after``."""

    before: Snapshot
    after: Snapshot
    changes: list[Change]
    """Every resource and site of both: those that became slower first."""
    new_findings: list[Finding]
    """Of the second recording."""
    gone_findings: list[Finding]
    """Of the first recording."""
    new_orders: list[Order]
    """Ways of unwinding that are new in the second recording."""
    gone_orders: list[Order]

    @property
    def slower(self) -> list[tuple[Change, str, int]]:
        """(change, phase, ns): what takes longer now, the worst first."""
        grown = [(c, phase, c.grown(phase)) for c in self.changes for phase in c.after]
        return sorted((each for each in grown if each[2] > 0), key=lambda each: -each[2])

    @property
    def faster(self) -> list[tuple[Change, str, int]]:
        """(change, phase, ns): what takes less time now, the best first."""
        grown = [(c, phase, c.grown(phase)) for c in self.changes for phase in c.after]
        return sorted((each for each in grown if each[2] < 0), key=lambda each: each[2])

    @property
    def appeared(self) -> list[Change]:
        """What only the second recording has."""
        return [change for change in self.changes if not change.before]

    @property
    def disappeared(self) -> list[Change]:
        """What only the first recording has."""
        return [change for change in self.changes if not change.after]


def compare(before: Snapshot, after: Snapshot, thresholds: Thresholds | None = None) -> Comparison:
    """Align two recordings by resource and site; lines may have moved in between."""
    limits = thresholds or Thresholds()
    places = _Places(before), _Places(after)
    rows = [each.rows() for each in places]
    changes = [
        Change(
            place,
            places[0].line(rows[0].get(place)),
            places[1].line(rows[1].get(place)),
            places[0].duration_stats(rows[0].get(place)),
            places[1].duration_stats(rows[1].get(place)),
        )
        for place in dict.fromkeys([*rows[0], *rows[1]])
    ]
    changes.sort(key=lambda change: -max(map(change.grown, ("wait", "hold", "cleanup"))))
    findings = [find_in(snapshot, limits) for snapshot in (before, after)]
    known = [
        Counter(_finding_key(p, f) for f in found)
        for p, found in zip(places, findings, strict=True)
    ]
    ways = [orders(snapshot) for snapshot in (before, after)]
    seen = [
        {_order_key(p, order) for order in found} for p, found in zip(places, ways, strict=True)
    ]
    return Comparison(
        before,
        after,
        changes,
        [f for f in findings[1] if _finding_key(places[1], f) not in known[0]],
        [f for f in findings[0] if _finding_key(places[0], f) not in known[1]],
        [order for order in ways[1] if _order_key(places[1], order) not in seen[0]],
        [order for order in ways[0] if _order_key(places[0], order) not in seen[1]],
    )


class _Places:
    """The sites of one recording, named so that they can be found in another."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._sites = _alike(snapshot.timeline)

    def place(self, resource: int, site: int) -> Place:
        """The name of what was done with ``resource`` at ``site``."""
        known = self.snapshot.timeline.resources.get(resource)
        kind, name = (known.kind, known.name) if known else ("", "")
        return (kind, name, *self._sites.get(site, ("", "", "", 0)))

    def rows(self) -> dict[Place, list[int]]:
        """Rows by place."""
        timeline = self.snapshot.timeline
        found: dict[Place, list[int]] = {}
        for row in range(len(timeline)):
            place = self.place(timeline.resource[row], timeline.site[row])
            found.setdefault(place, []).append(row)
        return found

    def line(self, rows: list[int] | None) -> int | None:
        """Where these rows stand in this recording's source."""
        known = (
            self.snapshot.timeline.sites.get(self.snapshot.timeline.site[rows[0]]) if rows else None
        )
        return known.line if known else None

    def duration_stats(self, rows: Iterable[int] | None) -> dict[str, DurationStats]:
        """The durations of these rows, by phase."""
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
    """Site -> file, function, source, and its number among those that agree in all three.

    Of the file only the name counts: two checkouts lie in different folders.
    """

    def key_of(site: SiteDefined) -> tuple[str, str, str]:
        return PurePath(site.file).name, site.function, site.text

    ranked = sorted(timeline.sites.values(), key=lambda s: (*key_of(s), s.line, s.site))
    found: dict[int, tuple[str, str, str, int]] = {}
    for key, group in groupby(ranked, key=key_of):
        for number, (_, same) in enumerate(groupby(group, key=lambda s: s.line)):
            found.update((site.site, (*key, number)) for site in same)
    return found


def _finding_key(places: _Places, finding: Finding) -> Hashable:
    timeline = places.snapshot.timeline
    at = [(timeline.resource[row], timeline.site[row]) for row in finding.rows[:2]]
    return finding.kind, finding.certainty, frozenset(places.place(*each) for each in at)


def _order_key(places: _Places, order: Order) -> Hashable:
    return order.in_order, tuple(places.place(*each) for each in order.left)
