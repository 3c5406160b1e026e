"""Whom to charge for a wait, by looking at one moment: nothing is cut, cached or followed twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from typing import TypeAlias

from analysis.support.oracle import Oracle
from asyncctx_trace.analysis.contention.wait_blame import wait_blame
from asyncctx_trace.analysis.occupancy import contends
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.analysis.wait_statistics import wait_groups
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import OF_TASKS, WaitKind

__all__ = ["Charged", "WaitOracle", "assert_same_charges"]

Charged: TypeAlias = tuple[int, int, str, int]
"""Task, site, what it did, and the resource or the kind of a wait."""


class WaitOracle(Oracle):
    """The state of every task at one moment, from the rows alone."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__(timeline)
        self.timeline = timeline
        self.limited = {r for r, known in timeline.resources.items() if contends(known)}

    def charges(self) -> dict[tuple[int, int, str], dict[Charged, Fraction]]:
        """Site, kind and name of the subject of waits -> who is charged with how many ns."""
        found: dict[tuple[int, int, str], dict[Charged, Fraction]] = {}
        times = sorted({0, self.now, *self._times()})
        for row in range(len(self.waits)):
            into = found.setdefault(self._group(row), Counter())  # type: ignore[arg-type]
            for at, until in pairwise(times):
                if self._is_open(row, at) and at < self.now:
                    for key, part in self.wait(row, at, (self.waits.task[row],)).items():
                        into[key] += part * (until - at)
        return found

    def wait(self, row: int, at: int, above: tuple[int, ...]) -> dict[Charged, Fraction]:
        """Whom the wait in ``row`` waits for at one moment; the parts are 1 together."""
        waker = self._waker(row)
        if not waker or waker in above:
            key = self.waits.task[row], self.waits.site[row], "waited", self.waits.kind[row]
            return {key: Fraction(1)}
        return self._task(waker, at, (*above, waker), None)

    def _task(
        self, task: int, at: int, above: tuple[int, ...], held: Charged | None
    ) -> dict[Charged, Fraction]:
        known = self.timeline.tasks.get(task)
        if held is None and known is not None and at < known.at:
            if known.parent is not None and known.parent not in above:
                return self._task(known.parent, at, (*above, known.parent), None)
            return {self._last_seen(task, at): Fraction(1)}
        entering = self._entering(task, at)
        if entering is not None:
            return self._enter(entering, at, above)
        for row in range(len(self.waits)):
            if self.waits.task[row] == task and self._is_open(row, at):
                return self.wait(row, at, above)
        return {held or self._last_seen(task, at): Fraction(1)}

    def _enter(self, row: int, at: int, above: tuple[int, ...]) -> dict[Charged, Fraction]:
        entered = self.rows[row]
        holders = self.holders(entered.resource, at)
        if len(holders) < self.capacity[entered.resource]:
            return {(entered.task, entered.site, "not full", entered.resource): Fraction(1)}
        result: dict[Charged, Fraction] = Counter()  # type: ignore[assignment]
        for each in holders:
            hold = self.rows[each]
            left = hold.exit_started is not None and hold.exit_started <= at
            task = hold.exit_task if left else hold.task
            key = task, hold.site, "held", hold.resource
            inner = (
                {key: Fraction(1)} if task in above else self._task(task, at, (*above, task), key)
            )
            for charged, part in inner.items():
                result[charged] += part / len(holders)
        return result

    def _entering(self, task: int, at: int) -> int | None:
        rows = [r for res in self.limited for r in self.waiters(res, at)]
        of_task = [r for r in rows if self.rows[r].task == task]
        return max(of_task, key=lambda r: (self.rows[r].enter_started, r), default=None)

    def _waker(self, row: int) -> int:
        waits = self.waits
        over = self.timeline.task_ended
        if waits.woken_by[row]:
            return waits.woken_by[row]
        awaited = waits.tasks_awaited(row)
        if waits.ended[row] == NOT_YET:
            return next((task for task in awaited if task not in over), 0)
        if waits.outcome[row] == Outcome.CANCELLED or waits.kind[row] == WaitKind.TIMED_TASKS:
            return 0
        last = [
            (over[task], task)
            for task in awaited
            if waits.started[row] <= over.get(task, NOT_YET) <= waits.ended[row]
        ]
        return max(last, default=(0, 0))[1]

    def _is_open(self, row: int, at: int) -> bool:
        ended = self.waits.ended[row]
        return self.waits.started[row] <= at and (ended == NOT_YET or at < ended)

    def _last_seen(self, task: int, at: int) -> Charged:
        seen: list[tuple[int, Charged]] = [(-1, (task, 0, "ran", 0))]
        # Of events at the same time, the last counts.
        for a in sorted(self.rows, key=lambda a: a.task != task):
            exit_site = a.exit_site or a.site
            if a.task == task:
                seen.append((a.enter_started, (task, a.site, "entered", a.resource)))
                seen.append((_or_never(a.enter_ended), (task, a.site, "ran", 0)))
            if a.exit_task == task:
                seen.append((_or_never(a.exit_started), (task, exit_site, "left", a.resource)))
                seen.append((_or_never(a.exit_ended), (task, exit_site, "ran", 0)))
        for row in range(len(self.waits)):
            if self.waits.task[row] == task:
                times = self.waits.started[row], self.waits.ended[row]
                seen += [
                    (time, (task, self.waits.site[row], "ran", 0))
                    for time in times
                    if time != NOT_YET
                ]
        before = [(time, number, what) for number, (time, what) in enumerate(seen) if time <= at]
        return max(before)[2]

    def _group(self, row: int) -> tuple[int, int, str]:
        kind, known = self.waits.kind[row], self.timeline.resources.get(self.waits.subject[row])
        name = "" if kind in OF_TASKS or known is None else known.name
        return self.waits.site[row], kind, name

    def _times(self) -> Iterable[int]:
        yield from self.timeline.facts
        yield from self.waits.started
        yield from (known.at for known in self.timeline.tasks.values())
        yield from (each for each in self.waits.ended if each != NOT_YET)
        for a in self.rows:
            for time in (a.enter_started, a.enter_ended, a.exit_started, a.exit_ended):
                if time is not None:
                    yield time


def _or_never(at: int | None) -> int:
    return -2 if at is None else at


def assert_same_charges(timeline: Timeline) -> None:
    """The shares are those of the oracle, to the ns that rounding costs, and lose nothing."""
    snapshot, oracle = Snapshot(timeline), WaitOracle(timeline)
    blamed, expected = wait_blame(snapshot), oracle.charges()
    for group in wait_groups(snapshot):
        known = timeline.resources.get(group.subject)
        name = "" if group.kind in OF_TASKS or known is None else known.name
        right = expected[group.site, group.kind, name]
        found: dict[Charged, int] = {
            (s.task or 0, s.site, s.reason, s.kind or s.resource): s.ns for s in blamed.of(group)
        }
        assert sum(found.values()) == group.duration.total == sum(right.values())
        for key in found.keys() | right.keys():
            assert abs(found.get(key, 0) - right.get(key, Fraction())) < 1, key
