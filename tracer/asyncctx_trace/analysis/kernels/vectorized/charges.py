"""Charge the waits for a resource to its holders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from asyncctx_trace.analysis.kernels.charges import SCALE, Charge, ChargePaths, Charges, Path
from asyncctx_trace.analysis.kernels.columns import Waits
from asyncctx_trace.analysis.kernels.protocol import Contention, ResourceOccupancy
from asyncctx_trace.analysis.kernels.vectorized.arrays import (
    Integers,
    bisect,
    distinct,
    ranges,
    runs,
    view,
)

__all__ = ["charges"]

Values: TypeAlias = NDArray[Any]
"""Integers of 64 bits, or Python integers where these could overflow."""

_LARGEST = 2**62
"""The bound that a sum of charges must not reach in a column of 64 bits."""


def charges(contention: Contention, resource: int) -> Charges:
    """Return what each holder is charged with, in units of ``2**-SCALE`` ns."""
    occupancy = contention.occupancy(resource)
    times, holders = view(occupancy.times), view(occupancy.holders).astype(np.int64)
    waiters = view(occupancy.blocked_waiters).astype(np.int64)
    rate = _Rate.of(times, waiters, np.maximum(holders, 1))
    charged: Charges = defaultdict(int)
    waits = _WaitLookup(contention.waits)
    causes = [_WaitLookup(each) for each in contention.causes if len(each.starts)]
    paths = ChargePaths((resource,), rate)
    for path, rate in paths.follow(charged):
        _charge(contention, waits, causes, path, rate, charged, paths)
    return charged


class _Rate:
    """A quantity that is constant from one time to the next, and zero before and after.

    Whole numbers of ns stay in 64 bits; fractions are kept in units of ``2**-SCALE`` ns, in Python
    integers, which cannot overflow.
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
        """Return ``whole`` divided by ``parts``, which are not zero."""
        longest = int(times[-1] - times[0])
        if longest * int(np.max(whole)) < _LARGEST and not np.any(whole % parts):
            return cls(times, whole // parts)
        return cls(times, (whole.astype(object) << SCALE) // parts)

    def between(self, starts: Integers, ends: Integers) -> Values:
        """Return the integral from each start to its end."""
        integral: Values = self._until(ends) - self._until(starts)
        return integral

    def _until(self, at: Integers) -> Values:
        step = np.searchsorted(self.times, at, side="right") - 1
        inside = np.maximum(step, 0)
        past = np.where(step < 0, 0, at - self.times[inside])
        amount: Values = self._before[inside] + past * self.values[inside]
        return amount

    def at(self, times: Integers) -> Values:
        """Return its value at each of ``times``."""
        step = np.searchsorted(self.times, times, side="right") - 1
        return np.where(step < 0, 0, self.values[np.maximum(step, 0)])

    def intervals(self) -> tuple[Integers, Integers]:
        """Return starts and ends of the intervals in which it is not zero."""
        some = np.concatenate([[False], self.values > 0])
        bounds = np.flatnonzero(some[1:] != some[:-1])
        return self.times[bounds[::2]], self.times[bounds[1::2]]


class _WaitLookup:
    """Waits, for lookups of many tasks at once."""

    def __init__(self, waits: Waits) -> None:
        self.starts, self.ends, self.rows = map(view, (waits.starts, waits.ends, waits.rows))
        self._tasks = np.fromiter(waits.ranges, np.int64, len(waits.ranges))
        bounds = np.array([*waits.ranges.values()], np.int64).reshape(-1, 2)
        self._firsts, self._lasts = bounds.T

    def within(self, tasks: Integers, starts: Integers, ends: Integers) -> tuple[Integers, ...]:
        """Return pairs of a hold and a wait of its task inside it, as two arrays of indexes.

        ``tasks``, ``starts`` and ``ends`` are those of the holds.
        """
        if not len(self._tasks):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        index = np.minimum(np.searchsorted(self._tasks, tasks), len(self._tasks) - 1)
        definition = self._tasks[index] == tasks
        first = bisect(self.ends, starts, self._firsts[index], self._lasts[index])
        last = bisect(self.starts, ends - 1, self._firsts[index], self._lasts[index])
        last = np.where(definition, np.maximum(first, last), first)
        return np.repeat(np.arange(len(tasks)), last - first), ranges(first, last)


def _charge(
    contention: Contention,
    waits: _WaitLookup,
    causes: list[_WaitLookup],
    path: Path,
    rate: _Rate,
    charged: Charges,
    paths: ChargePaths[_Rate],
) -> None:
    """Charge each holder of the last resource of ``path`` with ``rate`` while it holds it.

    Holders that wait for another resource can pass it on to the holders of that one.
    """
    timeline, holds = contention.timeline, contention.occupancy(path[-1]).holds
    since, until = rate.intervals()
    first = np.searchsorted(view(holds.latest_ends), since, side="right")
    last = np.searchsorted(view(holds.starts), until)
    first = np.maximum(first, np.concatenate([[0], np.maximum.accumulate(last)[:-1]]))
    near = ranges(first, np.maximum(first, last))
    starts, ends = view(holds.starts)[near], view(holds.ends)[near]
    amounts = rate.between(starts, ends)
    some = amounts > 0
    near, starts, ends, amounts = near[some], starts[some], ends[some], amounts[some]
    tasks, sites = view(holds.tasks)[near], view(timeline.site)[view(holds.rows)[near]]
    for key, ns in _sums(path, sites, tasks, amounts, rate.shift):
        charged[key] += ns
    for reasons in causes:
        _charge_causes(reasons, path, rate, charged, (sites, tasks, starts, ends))

    which, wait = waits.within(tasks, starts, ends)
    resources = view(timeline.resource)[waits.rows[wait]]
    other = ~np.isin(resources, path)
    which, wait, resources = which[other], wait[other], resources[other]
    since = np.maximum(waits.starts[wait], starts[which])
    until = np.minimum(waits.ends[wait], ends[which])
    for resource in dict.fromkeys(resources.tolist()):
        here = resources == resource
        own, passed_on = _pass_on(rate, since[here], until[here], contention.occupancy(resource))
        relief = own.between(since[here], until[here])
        sums = _sums(path, sites[which[here]], tasks[which[here]], relief, rate.shift)
        paths.add((*path, resource), passed_on, list(sums))


def _charge_causes(
    causes: _WaitLookup,
    path: Path,
    rate: _Rate,
    charged: Charges,
    holds: tuple[Integers, Integers, Integers, Integers],
) -> None:
    """Say for which causes the holders did not go on.

    ``holds``: the sites, tasks, starts and ends of those that are charged.
    """
    sites, tasks, starts, ends = holds
    which, cause = causes.within(tasks, starts, ends)
    since = np.maximum(causes.starts[cause], starts[which])
    amounts = rate.between(since, np.minimum(causes.ends[cause], ends[which]))
    some = amounts > 0
    which, cause, amounts = which[some], cause[some], amounts[some]
    numbers = causes.rows[cause]
    for key, ns in _sums(path, sites[which], tasks[which], amounts, rate.shift, numbers):
        charged[(*key[:3], 0)] -= ns
        charged[key] += ns


def _pass_on(
    rate: _Rate, since: Integers, until: Integers, occupancy: ResourceOccupancy
) -> tuple[_Rate, _Rate]:
    """Return what each waiting holder passes on, and what each holder of the next resource gets.

    ``since``, ``until``: when the holders wait for the next resource.
    """
    all_times = view(occupancy.times)
    since, until = np.sort(since), np.sort(until)
    # The indexes at which an interval without gaps ends and the next one starts.
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
    each = np.where(full, rate.at(times), 0)
    holders = np.where(full, holders, 1)
    own = _Rate(times, each)
    if rate.shift:
        return own, _Rate.of(times, each * stuck, holders)
    return own, _Rate(times, each * stuck // holders)


def _sums(
    path: Path,
    sites: Integers,
    tasks: Integers,
    amounts: Values,
    shift: int,
    causes: Integers | None = None,
) -> Iterator[Charge]:
    """Yield the sums of ``amounts`` by site, task, path and cause, in order of appearance."""
    if not len(amounts):
        return
    if causes is None:
        order = np.lexsort((tasks, sites))
        begins = np.union1d(runs(sites[order]), runs(tasks[order]))
    else:
        order = np.lexsort((causes, tasks, sites))
        begins = np.union1d(runs(sites[order]), runs(tasks[order]))
        begins = np.union1d(begins, runs(causes[order]))
    sums = np.add.reduceat(amounts[order], begins)
    for index in np.argsort(order[begins]).tolist():
        first = order[begins[index]]
        cause = 0 if causes is None else int(causes[first])
        yield (int(sites[first]), int(tasks[first]), path, cause), int(sums[index]) << shift
