"""The same answers by brute force: every tick of the clock looked at by itself."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from itertools import permutations
from typing import TypeAlias

from asyncctx_trace.analysis.timeline.table import NOT_YET, Acquisition, Timeline

Cause: TypeAlias = tuple[int, int | None]
"""A line that waits, and the task that ends the wait."""
Charge: TypeAlias = tuple[int, int, tuple[int, ...], Cause | None]
"""Site and task of a hold, the resources that lead there, and why it went on."""


class Oracle:
    """Times are small integers, so that each can be asked for."""

    def __init__(self, timeline: Timeline) -> None:
        self.rows = list(timeline)
        self.waits = timeline.waits
        self.capacity = {r: d.capacity or 1 for r, d in timeline.resources.items()}
        self.now = timeline.end or 0

    def holders(self, resource: int, at: int) -> list[int]:
        return [
            a.row
            for a in self.rows
            if a.resource == resource
            and a.entered
            and a.enter_ended is not None
            and a.enter_ended <= at
            and (a.exit_ended is None or at < a.exit_ended)
        ]

    def waiters(self, resource: int, at: int) -> list[int]:
        return [
            a.row
            for a in self.rows
            if a.resource == resource
            and a.enter_started <= at
            and (a.enter_ended is None or at < a.enter_ended)
        ]

    def full(self, resource: int, at: int) -> bool:
        return len(self.holders(resource, at)) >= self.capacity[resource]

    def waiting(self, task: int, at: int) -> int | None:
        rows = [
            r for res in self.capacity for r in self.waiters(res, at) if self.rows[r].task == task
        ]
        return max(rows, default=None)

    # -- blame ------------------------------------------------------------------------------

    def blame(self, resource: int) -> dict[Charge, Fraction]:
        charges: dict[Charge, Fraction] = defaultdict(Fraction)
        for at in range(self.now):
            waiters = self.waiters(resource, at)
            if waiters and self.full(resource, at):
                self._charge(Fraction(len(waiters)), (resource,), at, charges)
        return charges

    def _charge(
        self, amount: Fraction, way: tuple[int, ...], at: int, charges: dict[Charge, Fraction]
    ) -> None:
        holders = self.holders(way[-1], at)
        for row in holders:
            holder = self.rows[row]
            waits = self._goes_on(holder.task, at, (holder.task,))
            next_ = self.rows[waits].resource if isinstance(waits, int) else None
            if next_ is not None and next_ not in way and self.full(next_, at):
                self._charge(amount / len(holders), (*way, next_), at, charges)
            else:
                cause = waits if isinstance(waits, tuple) else None
                charges[holder.site, holder.task, way, cause] += amount / len(holders)

    def _goes_on(self, task: int, at: int, above: tuple[int, ...]) -> int | Cause | None:
        """Return the enter at the end of the chain of waits, or why the last does not wait."""
        entering = self.waiting(task, at)
        if entering is not None:
            return entering
        for row in range(len(self.waits)):
            ended = self.waits.ended[row]
            until = self.now + 1 if ended == NOT_YET else ended
            if self.waits.task[row] == task and self.waits.started[row] <= at < until:
                waker = self.waits.woken_by[row]
                inner = None
                if waker and waker not in above:
                    inner = self._goes_on(waker, at, (*above, waker))
                return (self.waits.site[row], waker or None) if inner is None else inner
        return None

    def total_wait(self, resource: int) -> int:
        return sum(len(self.waiters(resource, at)) for at in range(self.now))

    def contended(self, resource: int) -> int:
        met = {
            row
            for at in range(self.now)
            if self.full(resource, at)
            for row in self.waiters(resource, at)
        }
        return len(met)

    # -- deadlock ---------------------------------------------------------------------------

    def stuck(self, at: int) -> dict[int, set[int]]:
        """Waits that cannot end -> the waits that each of them waits for."""
        needs: dict[int, list[int | None]] = {}
        for resource in self.capacity:
            for row in self.waiters(resource, at):
                holders = self.holders(resource, at) if self.full(resource, at) else []
                needs[row] = [self.waiting(self.rows[h].task, at) for h in holders] or [None]
        alive: set[int | None] = {None}
        for _ in range(len(needs) + 1):
            alive |= {row for row, needed in needs.items() if alive.intersection(needed)}
        return {
            row: {n for n in needed if n is not None}
            for row, needed in needs.items()
            if row not in alive
        }

    def cycles(self) -> set[frozenset[int]]:
        """Sets of waits that reach each other and nobody else, at any tick."""
        found: set[frozenset[int]] = set()
        for at in range(self.now + 1):
            stuck = self.stuck(at)
            reach = {row: set(needed) for row, needed in stuck.items()}
            for _ in stuck:
                for row in reach:
                    reach[row] = reach[row].union(*(reach[other] for other in reach[row]))
            for row, reached in reach.items():
                if row in reached and all(row in reach[other] for other in reached):
                    found.add(frozenset(reached))
        return found

    # -- order ------------------------------------------------------------------------------

    def inversions(self) -> set[frozenset[int]]:
        """Pairs of resources that two tasks nest in contrary orders, not under one same lock."""
        nested = [
            (outer, inner, self._gates(outer))
            for inner in self.rows
            for outer in self.rows
            if outer.task == inner.task
            and outer.resource != inner.resource
            and outer.row < inner.row
            and self._holds(outer.row, inner.enter_started)
        ]
        return {
            frozenset((a[0].resource, a[1].resource))
            for a, b in permutations(nested, 2)
            if a[0].task != b[0].task
            and (a[0].resource, a[1].resource) == (b[1].resource, b[0].resource)
            and not a[2] & b[2]
        }

    def _gates(self, outer: Acquisition) -> set[int]:
        return {
            other.resource
            for other in self.rows
            if other.task == outer.task
            and other.row < outer.row
            and other.resource != outer.resource
            and self.capacity[other.resource] == 1
            and self._holds(other.row, outer.enter_started)
        }

    def _holds(self, row: int, at: int) -> bool:
        a = self.rows[row]
        # Of facts in one tick the order of the rows decides: an outer one is still held.
        return (
            a.entered and (a.enter_ended or 0) <= at and (a.exit_ended is None or at < a.exit_ended)
        )
