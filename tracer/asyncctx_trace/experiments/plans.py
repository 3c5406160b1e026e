"""How to make a possible finding happen: orders to try, and what proves it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path

from asyncctx_trace.analysis.findings.finding import Finding
from asyncctx_trace.analysis.occupancy import limit_of
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.experiments.places import places_before
from asyncctx_trace.steering.order import AT_MOST, Hold, Others, Place, Rule

__all__ = ["HANGS", "Plan", "plan_for", "sites_of"]

HANGS = frozenset({"deadlock", "still-waiting"})
"""The kinds of findings of a program that hangs."""
_PROOFS = {
    "lock-order-inversion": HANGS,
    "deadlock": HANGS,
}
"""Kind of a possible finding -> the kinds of certain findings that prove it."""
_MOST_TASKS = 8
"""The largest capacity that is filled."""
_COMBINATIONS = 24

Site = tuple[str, int]
"""File and line."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to try for one finding."""

    finding: Finding
    orders: tuple[tuple[Rule, ...], ...]
    """The orders to try, the most promising first."""
    kinds: frozenset[str]
    """The kinds of certain findings that prove it."""
    sites: frozenset[Site]
    """Where such a finding must be."""
    at_least: int
    """At how many of these sites."""

    def proof(self, findings: Sequence[Finding], snapshot: Snapshot) -> Finding | None:
        """Return the one of ``findings``, in another run, that proves this one."""
        for finding in findings:
            if finding.certainty != "certain" or finding.kind not in self.kinds:
                continue
            if len(self.sites & sites_of(snapshot, finding.sites)) >= self.at_least:
                return finding
        return None


def plan_for(
    snapshot: Snapshot, finding: Finding, folder: Path, *, at_most: int = AT_MOST
) -> Plan | None:
    """Return how to make ``finding`` happen, ``None`` for kinds that delays cannot bring about.

    Args:
        snapshot: The recording, whole: the rows of ``finding`` are rows of it.
        finding: A finding in it.
        folder: Files below it are named relative to it.
        at_most: For how many ns a task is held.
    """
    kinds = _PROOFS.get(finding.kind)
    if kinds is None:
        return None
    cycle = _cycle(snapshot, finding)
    if cycle:
        inner = sites_of(snapshot, [snapshot.timeline.site[row] for _, row in cycle])
        orders = list(_meetings(snapshot, cycle, folder, at_most))
        return Plan(finding, tuple(orders), kinds, inner, min(2, len(inner)))
    return None


def sites_of(snapshot: Snapshot, sites: Sequence[int]) -> frozenset[Site]:
    """Return file and line of each of ``sites`` that is known."""
    known = snapshot.timeline.sites
    return frozenset((known[site].file, known[site].line) for site in sites if site in known)


def _cycle(snapshot: Snapshot, finding: Finding) -> list[tuple[int, int]]:
    """Return for each task of a cycle the rows that it held, and asked for; empty for none."""
    rows = finding.rows
    if finding.kind == "lock-order-inversion":
        return [(outer, inner) for inner, outer in zip(rows[::2], rows[1::2], strict=True)]
    if finding.kind != "deadlock":
        return []
    task, started = snapshot.timeline.task, snapshot.timeline.enter_started
    pairs: dict[int, tuple[int, int]] = {}
    for outer in rows:
        for inner in rows:
            if task[outer] == task[inner] and started[outer] < started[inner]:
                pairs.setdefault(task[inner], (outer, inner))
    return list(pairs.values()) if len(pairs) > 1 else []


def _meetings(
    snapshot: Snapshot, cycle: Sequence[tuple[int, int]], folder: Path, at_most: int
) -> Iterator[tuple[Rule, ...]]:
    """Yield orders by which each task of ``cycle`` holds one resource before any asks for more.

    They differ in where the tasks are held, the places nearest to the requests first.
    """
    seen: set[tuple[Rule, ...]] = set()
    for named in (True, False):
        choices = []
        for outer, inner in cycle:
            name = snapshot.timeline.resources[snapshot.timeline.resource[outer]].name
            holding = name if named else ""
            choices.append(places_before(snapshot, inner, outer, folder, holding=holding))
        if not all(choices):
            return
        counts = [_permits(snapshot, outer) for outer, _ in cycle]
        indices = sorted(product(*(range(len(each)) for each in choices)), key=sum)
        for chosen in islice(indices, _COMBINATIONS):
            places = [choice[index] for choice, index in zip(choices, chosen, strict=True)]
            rules = _meeting(places, counts, at_most)
            if rules not in seen:
                seen.add(rules)
                yield rules


def _meeting(places: Sequence[Place], counts: Sequence[int], at_most: int) -> tuple[Rule, ...]:
    """Return the order that holds tasks at ``places`` until enough are at each of them."""
    rules = []
    for at, place in enumerate(places):
        until = []
        for other, count in enumerate(counts):
            # Of its own place one less: the task itself is there.
            needed = count - (other == at)
            if needed:
                until.append(Others(places[other], needed))
        rules.append(Hold(place, tuple(until), at_most))
    return tuple(dict.fromkeys(rules))


def _permits(snapshot: Snapshot, row: int) -> int:
    """Return how many tasks it takes until nobody else gets into the resource of ``row``."""
    limit = limit_of(snapshot.timeline.resources[snapshot.timeline.resource[row]])
    return min(limit, _MOST_TASKS)
