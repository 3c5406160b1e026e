"""What each holder is charged with, summed up with numpy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from asyncctx_trace.analysis.contention.attribution import SCALE, Charges, Ways
from asyncctx_trace.analysis.kernels.columns import Integers, bisect, distinct, ranges, runs, view
from asyncctx_trace.analysis.snapshot import Snapshot

__all__ = ["charges"]

Values: TypeAlias = NDArray[Any]
"""Integers of 64 bits, or of Python's own."""

_LARGEST = 2**62
"""What no sum of charges may reach in a column of 64 bits."""


def charges(snapshot: Snapshot, resource: int) -> Charges:
    """What each holder is charged with, in 1 / 2**SCALE ns."""
    occupancy = snapshot.occupancy(resource)
    times, holders = view(occupancy.times), view(occupancy.holders).astype(np.int64)
    waiters = view(occupancy.kept_out).astype(np.int64)
    rate = _Rate.of(times, waiters, np.maximum(holders, 1))
    told: Charges = defaultdict(int)
    waits = _Waits(snapshot)
    ways = Ways((resource,), rate)
    for way, rate in ways.followed(told):
        _charge(snapshot, waits, way, rate, told, ways)
    return told


class _Rate:
    """A quantity that is constant from one time to the next; nothing before and after.

    Whole numbers of ns stay in 64 bits; what has been split is kept in 1 / 2**SCALE ns, in
    numbers of Python's, which have no end.
    """

    def __init__(self, times: Integers, values: Values) -> None:
        changed = np.ones(len(times), np.bool_)
        np.not_equal(values[1:], values[:-1], out=changed[1:])
        self.times = times[changed]
        self.values = values[changed]
        self.values[-1:] = 0
        self.shift = SCALE if values.dtype == np.int64 else 0
        amounts = self.values[:-1] * np.diff(self.times)
        self._before = np.concatenate([np.zeros(1, values.dtype), np.cumsum(amounts)])

    @classmethod
    def of(cls, times: Integers, whole: Integers, parts: Integers) -> _Rate:
        """``whole`` split into ``parts``, which are no zeros."""
        longest = int(times[-1] - times[0])
        if longest * int(whole.max()) < _LARGEST and not np.any(whole % parts):
            return cls(times, whole // parts)
        return cls(times, (whole.astype(object) << SCALE) // parts)

    def between(self, starts: Integers, ends: Integers) -> Values:
        """The integral from each start to its end."""
        integral: Values = self._until(ends) - self._until(starts)
        return integral

    def _until(self, at: Integers) -> Values:
        step = np.searchsorted(self.times, at, side="right") - 1
        inside = np.maximum(step, 0)
        past = np.where(step < 0, 0, at - self.times[inside])
        amount: Values = self._before[inside] + past * self.values[inside]
        return amount

    def at(self, times: Integers) -> Values:
        """Its value at each of ``times``."""
        step = np.searchsorted(self.times, times, side="right") - 1
        return np.where(step < 0, 0, self.values[np.maximum(step, 0)])

    def stretches(self) -> tuple[Integers, Integers]:
        """From when to when it is not nothing."""
        some = np.concatenate([[False], self.values > 0])
        bounds = np.flatnonzero(some[1:] != some[:-1])
        return self.times[bounds[::2]], self.times[bounds[1::2]]


class _Waits:
    """The waits of a snapshot, looked up for many tasks at once."""

    def __init__(self, snapshot: Snapshot) -> None:
        waits = snapshot.waits
        self.starts, self.ends, self.rows = map(view, (waits.starts, waits.ends, waits.rows))
        self._tasks = np.fromiter(waits.places, np.int64, len(waits.places))
        places = np.array([*waits.places.values()], np.int64).reshape(-1, 2)
        self._firsts, self._lasts = places.T

    def within(self, tasks: Integers, starts: Integers, ends: Integers) -> tuple[Integers, ...]:
        """Which of the given holds have waits of their task within them, and which waits."""
        place = np.minimum(np.searchsorted(self._tasks, tasks), len(self._tasks) - 1)
        known = self._tasks[place] == tasks
        first = bisect(self.ends, starts, self._firsts[place], self._lasts[place])
        last = bisect(self.starts, ends - 1, self._firsts[place], self._lasts[place])
        last = np.where(known, np.maximum(first, last), first)
        return np.repeat(np.arange(len(tasks)), last - first), ranges(first, last)


def _charge(
    snapshot: Snapshot,
    waits: _Waits,
    way: tuple[int, ...],
    rate: _Rate,
    told: Charges,
    ways: Ways[_Rate],
) -> None:
    """Charge each holder of the last resource of ``way`` with ``rate`` while it holds it.

    Those that are stuck at another resource can pass it on to the holders of that.
    """
    timeline, holds = snapshot.timeline, snapshot.occupancy(way[-1]).holds
    since, until = rate.stretches()
    first = np.searchsorted(view(holds.reach), since, side="right")
    last = np.searchsorted(view(holds.starts), until)
    first = np.maximum(first, np.concatenate([[0], np.maximum.accumulate(last)[:-1]]))
    near = ranges(first, np.maximum(first, last))
    starts, ends = view(holds.starts)[near], view(holds.ends)[near]
    charged = rate.between(starts, ends)
    some = charged > 0
    near, starts, ends, charged = near[some], starts[some], ends[some], charged[some]
    tasks, sites = view(holds.tasks)[near], view(timeline.site)[view(holds.rows)[near]]
    for key, ns in _sums(way, sites, tasks, charged, rate.shift):
        told[key] += ns

    which, wait = waits.within(tasks, starts, ends)
    resources = view(timeline.resource)[waits.rows[wait]]
    other = ~np.isin(resources, way)
    which, wait, resources = which[other], wait[other], resources[other]
    since = np.maximum(waits.starts[wait], starts[which])
    until = np.minimum(waits.ends[wait], ends[which])
    for next_ in dict.fromkeys(resources.tolist()):
        here = resources == next_
        gate, passed = _passed_on(rate, since[here], until[here], snapshot, next_)
        given = gate.between(since[here], until[here])
        sums = _sums(way, sites[which[here]], tasks[which[here]], given, rate.shift)
        ways.add((*way, next_), passed, list(sums))


def _passed_on(
    rate: _Rate, since: Integers, until: Integers, snapshot: Snapshot, resource: int
) -> tuple[_Rate, _Rate]:
    """What each of those that are stuck passes on, and what each holder of the next one gets."""
    occupancy = snapshot.occupancy(resource)
    all_times = view(occupancy.times)
    since, until = np.sort(since), np.sort(until)
    # Where one stretch of time without a gap ends and the next one begins.
    apart = np.flatnonzero(since[1:] >= until[:-1]) + 1
    starts, ends = since[np.append(0, apart)], until[np.append(apart - 1, len(until) - 1)]
    times = distinct(
        since,
        until,
        *(
            known[ranges(np.searchsorted(known, starts), np.searchsorted(known, ends))]
            for known in (rate.times, all_times)
        ),
    )
    step = np.maximum(np.searchsorted(all_times, times, side="right") - 1, 0)
    holders = view(occupancy.holders)[step].astype(np.int64)
    stuck = np.searchsorted(since, times, side="right") - np.searchsorted(
        until, times, side="right"
    )
    full = (holders >= occupancy.limit) & (stuck > 0)
    gated = np.where(full, rate.at(times), 0)
    holders = np.where(full, holders, 1)
    gate = _Rate(times, gated)
    if rate.shift:
        return gate, _Rate.of(times, gated * stuck, holders)
    return gate, _Rate(times, gated * stuck // holders)


def _sums(
    way: tuple[int, ...], sites: Integers, tasks: Integers, amounts: Values, shift: int
) -> Iterator[tuple[tuple[int, int, tuple[int, ...]], int]]:
    """``amounts`` by site, task and way, in the order in which these first come."""
    if not len(amounts):
        return
    order = np.lexsort((tasks, sites))
    begins = np.union1d(runs(sites[order]), runs(tasks[order]))
    sums = np.add.reduceat(amounts[order], begins)
    for index in np.argsort(order[begins]).tolist():
        first = order[begins[index]]
        yield (int(sites[first]), int(tasks[first]), way), int(sums[index]) << shift
