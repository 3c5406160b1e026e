"""Charge the waits for a resource to its holders."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate, groupby, pairwise
from typing import TypeAlias

from asyncctx_trace.analysis.kernels.charges import (
    SCALE,
    Charge,
    ChargeKey,
    ChargePaths,
    Charges,
    Path,
)
from asyncctx_trace.analysis.kernels.protocol import Contention, ResourceOccupancy

__all__ = ["charges"]

_Stuck: TypeAlias = tuple[int, int, ChargeKey]
"""From when to when a holder waits elsewhere, and the charge that it passes on."""


def charges(contention: Contention, resource: int) -> Charges:
    """Return what each holder is charged with, in units of ``2**-SCALE`` ns."""
    occupancy = contention.occupancy(resource)
    steps = zip(occupancy.blocked_waiters, occupancy.holders, strict=True)
    values = [(waiters << SCALE) // holders if waiters else 0 for waiters, holders in steps]
    charged: Charges = defaultdict(int)
    first: _PassedOn = _Rate(occupancy.times, values), []
    paths = ChargePaths((resource,), first, contention.max_paths)
    for path, (rate, relief) in paths.follow():
        for key, ns in relief:
            charged[key] -= ns
        _charge(contention, path, rate, charged, paths)
    return charged


class _Rate:
    """A quantity that is constant from one time to the next, and zero before and after."""

    def __init__(self, times: Sequence[int], values: Sequence[int]) -> None:
        self.times = times
        self.values = values
        amounts = (
            (end - start) * value
            for (start, end), value in zip(pairwise(times), values, strict=False)
        )
        self._before = list(accumulate(amounts, initial=0))

    def between(self, start: int, end: int) -> int:
        """Return the integral from ``start`` to ``end``."""
        return self._until(end) - self._until(start)

    def _until(self, at: int) -> int:
        step = bisect_right(self.times, at) - 1
        if step < 0:
            return 0
        amount = self._before[step]
        if step + 1 < len(self.times):
            amount += (at - self.times[step]) * self.values[step]
        return amount

    def intervals(self) -> Iterator[tuple[int, int]]:
        """Yield the intervals in which it is not zero, in order."""
        for some, steps in groupby(range(len(self.times) - 1), key=lambda i: self.values[i] > 0):
            if some:
                inside = list(steps)
                yield self.times[inside[0]], self.times[inside[-1] + 1]

    def during(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield its values from ``start`` up to ``end``, each with the time at which it begins."""
        first = bisect_right(self.times, start) - 1
        yield start, self.values[first] if first >= 0 else 0
        for step in range(first + 1, bisect_left(self.times, end)):
            yield self.times[step], self.values[step]


_PassedOn: TypeAlias = tuple[_Rate, list[Charge]]
"""What each holder of the next resource gets, and what those before it no longer have to bear."""


def _charge(
    contention: Contention,
    path: Path,
    rate: _Rate,
    charged: Charges,
    paths: ChargePaths[_PassedOn],
) -> None:
    """Charge each holder of the last resource of ``path`` with ``rate`` while it holds it.

    Holders that wait for another resource can pass it on to the holders of that one.
    """
    timeline, holds = contention.timeline, contention.occupancy(path[-1]).holds
    stuck: dict[int, list[_Stuck]] = defaultdict(list)
    charged_holds: list[int] = []
    for index in holds.during(rate.intervals()):
        start, end = holds.starts[index], holds.ends[index]
        if charge := rate.between(start, end):
            charged_holds.append(index)
            key = timeline.site[holds.rows[index]], holds.tasks[index], path, 0
            charged[key] += charge
            for since, until, row in contention.waits.within(holds.tasks[index], start, end):
                if timeline.resource[row] not in path:
                    stuck[timeline.resource[row]].append((since, until, key))
    for causes in contention.causes:
        for index in charged_holds:
            site, task = timeline.site[holds.rows[index]], holds.tasks[index]
            for since, until, cause in causes.within(task, holds.starts[index], holds.ends[index]):
                if charge := rate.between(since, until):
                    charged[site, task, path, 0] -= charge
                    charged[site, task, path, cause] += charge
    for resource, waits in stuck.items():
        bound = sum(rate.between(since, until) for since, until, _ in waits)
        occupancy = contention.occupancy(resource)
        paths.add((*path, resource), bound, partial(_resolve, rate, waits, occupancy))


def _resolve(
    rate: _Rate, waits: list[_Stuck], occupancy: ResourceOccupancy
) -> tuple[int, _PassedOn]:
    own, passed_on = _pass_on(rate, sorted(waits), occupancy)
    relief = [(key, own.between(since, until)) for since, until, key in waits]
    return sum(ns for _, ns in relief), (passed_on, relief)


def _pass_on(rate: _Rate, waits: list[_Stuck], occupancy: ResourceOccupancy) -> tuple[_Rate, _Rate]:
    """Return what each waiting holder passes on, and what each holder of the next resource gets.

    ``waits`` are in order; no other time is looked at.
    """
    times: list[int] = []
    own: list[int] = []
    passed_on: list[int] = []
    for start, end, together in _adjacent(waits):
        changes = sorted(
            [(at, 0, value) for at, value in rate.during(start, end)]
            + [(at, 1, holders) for at, holders in _full_during(occupancy, start, end)]
            + [(since, 2, 1) for since, _, _ in together]
            + [(until, 2, -1) for _, until, _ in together]
        )
        current = holders = stuck = 0
        for at, what, value in changes:
            if what == 0:
                current = value
            elif what == 1:
                holders = value
            else:
                stuck += value
            each = current if holders else 0
            share = each * stuck // holders if holders else 0
            if times and times[-1] == at:
                own[-1], passed_on[-1] = each, share
            else:
                times.append(at)
                own.append(each)
                passed_on.append(share)
        own[-1] = 0
    return _Rate(times, own), _Rate(times, passed_on)


def _full_during(occupancy: ResourceOccupancy, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield when the holders change, from ``start`` up to ``end``; 0 while it is not full."""
    first = bisect_right(occupancy.times, start) - 1
    for step in range(max(first, 0), bisect_left(occupancy.times, end)):
        holders = occupancy.holders[step]
        yield max(start, occupancy.times[step]), holders if holders >= occupancy.limit else 0


def _adjacent(waits: list[_Stuck]) -> Iterator[tuple[int, int, list[_Stuck]]]:
    """Yield the ``waits`` that follow each other without a gap, with their start and end."""
    together: list[_Stuck] = []
    end = 0
    for wait in waits:
        if together and wait[0] >= end:
            yield together[0][0], end, together
            together = []
        end = max(end, wait[1]) if together else wait[1]
        together.append(wait)
    if together:
        yield together[0][0], end, together
