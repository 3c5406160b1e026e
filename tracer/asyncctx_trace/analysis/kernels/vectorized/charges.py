"""Charge the waits for a resource to its holders."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple, TypeAlias

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
    waits = _WaitLookup(contention.waits)
    causes = [_WaitLookup(each) for each in contention.causes if len(each.starts)]
    paths = ChargePaths((resource,), _PassedOn(rate), contention.max_paths)
    charged: dict[Path, list[_Charged]] = {}
    for path, (rate, relief) in paths.follow():
        if relief is not None:
            charged[path[:-1]].append(relief)
        _charge(contention, waits, causes, path, rate, charged, paths)
    return dict(charge for path, parts in charged.items() for charge in _sums(path, parts))


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


class _Charged(NamedTuple):
    """What holders are charged with, in units of ``2**-SCALE`` ns divided by ``2**shift``.

    Parallel columns: site and task of each hold, the number of the cause for which it did not go
    on, 0 for none, and the amount.
    """

    sites: Integers
    tasks: Integers
    causes: Integers
    amounts: Values
    shift: int

    @classmethod
    def of(cls, sites: Integers, tasks: Integers, amounts: Values, shift: int) -> _Charged:
        """Return charges without a cause."""
        return cls(sites, tasks, np.zeros(len(sites), np.int64), amounts, shift)


class _PassedOn(NamedTuple):
    """What is passed on along a path."""

    rate: _Rate
    """What each holder of the last resource gets."""
    relief: _Charged | None = None
    """What the holders of the resource before it no longer have to bear, as negative amounts."""


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
    charged: dict[Path, list[_Charged]],
    paths: ChargePaths[_PassedOn],
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
    parts = charged[path] = [_Charged.of(sites, tasks, amounts, rate.shift)]
    for reasons in causes:
        parts += _causes(reasons, rate, (sites, tasks, starts, ends))

    which, wait = waits.within(tasks, starts, ends)
    resources = view(timeline.resource)[waits.rows[wait]]
    other = ~np.isin(resources, path)
    which, wait, resources = which[other], wait[other], resources[other]
    since = np.maximum(waits.starts[wait], starts[which])
    until = np.minimum(waits.ends[wait], ends[which])
    bounds = rate.between(since, until)
    for resource in dict.fromkeys(resources.tolist()):
        here = np.flatnonzero(resources == resource)
        holders = _Charged.of(sites[which[here]], tasks[which[here]], bounds[here], rate.shift)
        occupancy = contention.occupancy(resource)
        resolve = partial(_resolve, rate, since[here], until[here], holders, occupancy)
        paths.add((*path, resource), int(bounds[here].sum()) << rate.shift, resolve)


def _resolve(
    rate: _Rate,
    since: Integers,
    until: Integers,
    holders: _Charged,
    occupancy: ResourceOccupancy,
) -> tuple[int, _PassedOn]:
    own, passed_on = _pass_on(rate, since, until, occupancy)
    relief = own.between(since, until)
    amount = int(relief.sum()) << rate.shift
    return amount, _PassedOn(passed_on, holders._replace(amounts=-relief))


def _causes(
    causes: _WaitLookup,
    rate: _Rate,
    holds: tuple[Integers, Integers, Integers, Integers],
) -> list[_Charged]:
    """Return for which causes the holders did not go on, and the same without a cause, negative.

    ``holds``: the sites, tasks, starts and ends of those that are charged.
    """
    sites, tasks, starts, ends = holds
    which, cause = causes.within(tasks, starts, ends)
    since = np.maximum(causes.starts[cause], starts[which])
    amounts = rate.between(since, np.minimum(causes.ends[cause], ends[which]))
    some = amounts > 0
    which, cause, amounts = which[some], cause[some], amounts[some]
    unknown = _Charged.of(sites[which], tasks[which], -amounts, rate.shift)
    return [unknown, unknown._replace(causes=causes.rows[cause], amounts=amounts)]


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


def _sums(path: Path, parts: list[_Charged]) -> Iterator[Charge]:
    """Yield the sums of the amounts by site, task, path and cause, in order of appearance."""
    sites, tasks, causes, amounts = (
        np.concatenate([part[field] for part in parts]) for field in range(4)
    )
    shift = parts[0].shift
    if not len(amounts):
        return
    order = np.lexsort((causes, tasks, sites))
    begins = np.unique(np.concatenate([runs(key[order]) for key in (sites, tasks, causes)]))
    sums = np.add.reduceat(amounts[order], begins)
    groups = np.argsort(order[begins])
    firsts = order[begins[groups]]
    keys = (key[firsts].tolist() for key in (sites, tasks, causes))
    for site, task, cause, amount in zip(*keys, sums[groups].tolist(), strict=True):
        yield (site, task, path, cause), amount << shift
