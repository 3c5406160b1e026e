"""Who kept the waiters of a resource waiting: every nanosecond charged to a holder."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import accumulate, groupby, pairwise
from typing import Generic, TypeAlias, TypeVar

from asyncctx_trace.analysis import kernels
from asyncctx_trace.analysis.contention.occupancy import Occupancy
from asyncctx_trace.analysis.snapshot import Snapshot

__all__ = ["SCALE", "Blame", "Charges", "Given", "Share", "Ways", "blame"]

SCALE = 64
"""Bits behind the point while a waiter's time is split among several holders."""

WAYS = 64
"""How many ways are followed from one resource: tasks that hold one of several places each while
they wait for the next make more than can be counted."""
LONGEST = 16
"""Resources on a way."""

Charges: TypeAlias = dict[tuple[int, int, tuple[int, ...]], int]
"""By site, task and way."""
Given: TypeAlias = list[tuple[tuple[int, int, tuple[int, ...]], int]]
"""What each of those who pass it on had been charged with."""
Pass: TypeAlias = tuple[int, int, tuple[int, int, tuple[int, ...]]]
"""From when to when a holder is stuck elsewhere, and whose charge it passes on."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one task, holding at one site, cost the waiters of a resource."""

    site: int
    task: int
    way: tuple[int, ...]
    """Resources from the one waited for to the one held at the site: longer than one where the
    holder was itself kept waiting, by a holder of the next."""
    ns: int


@dataclass(frozen=True, slots=True)
class Blame:
    """Whom the waiters of one resource waited for, in ns; ``blamed + unknown == total``.

    A moment at which the resource was not full (a hand-over, a connection being made) has no
    known holder to blame. Several holders of one moment share it evenly.
    """

    resource: int
    total: int
    unknown: int
    shares: list[Share] = field(default_factory=list)
    """The largest first; their sum is ``blamed``."""

    @property
    def blamed(self) -> int:
        """The time charged to holders."""
        return self.total - self.unknown

    def by_site(self) -> list[tuple[int, tuple[int, ...], int]]:
        """(site, way, ns), the largest first."""
        sums: dict[tuple[int, tuple[int, ...]], int] = defaultdict(int)
        for share in self.shares:
            sums[share.site, share.way] += share.ns
        return sorted(((*key, ns) for key, ns in sums.items()), key=lambda entry: -entry[2])

    def by_task(self) -> list[tuple[int, int]]:
        """(task, ns), the largest first."""
        sums: dict[int, int] = defaultdict(int)
        for share in self.shares:
            sums[share.task] += share.ns
        return sorted(sums.items(), key=lambda entry: -entry[1])


def blame(snapshot: Snapshot, resource: int) -> Blame:
    """Charge the waits for ``resource`` to its holders.

    A holder that waits itself, in its body, for another full resource passes the charge on to the
    holders of that one, and so on, until the way would come back to where it was. Followed are the
    ways on which most time is passed on, so many and so long; beyond, it stays with the holder.
    """
    occupancy = snapshot.occupancy(resource)
    total, blamed = occupancy.waited_in_all, occupancy.kept_out_in_all
    if not blamed:
        return Blame(resource, total, total)
    if kernels.pays(snapshot.timeline, occupancy.rows):
        from asyncctx_trace.analysis.kernels.blame import charges
    else:
        charges = _charges
    charged = charges(snapshot, resource)
    shares = [
        Share(*key, ns) for key, ns in zip(charged, _round(charged.values(), blamed), strict=True)
    ]
    shares = sorted((share for share in shares if share.ns), key=lambda share: -share.ns)
    return Blame(resource, total, total - blamed, shares)


class _Steps:
    """A quantity that is constant from one time to the next; nothing before and after."""

    def __init__(self, times: Sequence[int], values: Sequence[int]) -> None:
        self.times = times
        self.values = values
        amounts = (
            (end - start) * value
            for (start, end), value in zip(pairwise(times), values, strict=False)
        )
        self._before = list(accumulate(amounts, initial=0))

    def between(self, start: int, end: int) -> int:
        """The integral from ``start`` to ``end``."""
        return self._until(end) - self._until(start)

    def _until(self, at: int) -> int:
        step = bisect_right(self.times, at) - 1
        if step < 0:
            return 0
        amount = self._before[step]
        if step + 1 < len(self.times):
            amount += (at - self.times[step]) * self.values[step]
        return amount

    def stretches(self) -> Iterator[tuple[int, int]]:
        """From when to when it is not nothing, in order."""
        for some, steps in groupby(range(len(self.times) - 1), key=lambda i: self.values[i] > 0):
            if some:
                inside = list(steps)
                yield self.times[inside[0]], self.times[inside[-1] + 1]

    def during(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Its values from ``start`` on, up to ``end``, and when each begins."""
        first = bisect_right(self.times, start) - 1
        yield start, self.values[first] if first >= 0 else 0
        for step in range(first + 1, bisect_left(self.times, end)):
            yield self.times[step], self.values[step]


def _charges(snapshot: Snapshot, resource: int) -> Charges:
    """What each holder is charged with, in 1 / 2**SCALE ns."""
    occupancy = snapshot.occupancy(resource)
    each = zip(occupancy.kept_out, occupancy.holders, strict=True)
    values = [(waiters << SCALE) // holders if waiters else 0 for waiters, holders in each]
    charges: Charges = defaultdict(int)
    ways = Ways((resource,), _Steps(occupancy.times, values))
    for way, rate in ways.followed(charges):
        _charge(snapshot, way, rate, charges, ways)
    return charges


T = TypeVar("T")


class Ways(Generic[T]):
    """The ways that a charge can take, those first on which most is passed on."""

    def __init__(self, way: tuple[int, ...], rate: T) -> None:
        self._ahead: list[tuple[int, int, tuple[int, ...], T, Given]] = [(0, 0, way, rate, [])]
        self._found = 0

    def add(self, way: tuple[int, ...], rate: T, given: Given) -> None:
        """Another one: ``rate`` is what each holder at its end gets, ``given`` who gives it."""
        amount = sum(ns for _, ns in given)
        if amount and len(way) <= LONGEST:
            self._found += 1
            heappush(self._ahead, (-amount, self._found, way, rate, given))

    def followed(self, charges: Charges) -> Iterator[tuple[tuple[int, ...], T]]:
        """Each way with its rate, once those who give it have been relieved of it."""
        for _ in range(WAYS):
            if not self._ahead:
                break
            _, _, way, rate, given = heappop(self._ahead)
            for key, ns in given:
                charges[key] -= ns
            yield way, rate


def _charge(
    snapshot: Snapshot, way: tuple[int, ...], rate: _Steps, charges: Charges, ways: Ways[_Steps]
) -> None:
    """Charge each holder of the last resource of ``way`` with ``rate`` while it holds it.

    Those that are stuck at another resource can pass it on to the holders of that.
    """
    timeline, holds = snapshot.timeline, snapshot.occupancy(way[-1]).holds
    stuck: dict[int, list[Pass]] = defaultdict(list)
    for index in holds.during(rate.stretches()):
        start, end = holds.starts[index], holds.ends[index]
        if charge := rate.between(start, end):
            key = timeline.site[holds.rows[index]], holds.tasks[index], way
            charges[key] += charge
            for since, until, waiting in snapshot.waits.within(holds.tasks[index], start, end):
                if timeline.resource[waiting] not in way:
                    stuck[timeline.resource[waiting]].append((since, until, key))
    for next_, passes in stuck.items():
        gate, passed = _passed_on(rate, sorted(passes), snapshot.occupancy(next_))
        given = [(key, gate.between(since, until)) for since, until, key in passes]
        ways.add((*way, next_), passed, given)


def _passed_on(rate: _Steps, passes: list[Pass], next_: Occupancy) -> tuple[_Steps, _Steps]:
    """What each of those that are stuck passes on, and what each holder of the next one gets.

    Looks into no other time than that of ``passes``, which are in order.
    """
    times: list[int] = []
    gate: list[int] = []
    values: list[int] = []
    for start, end, together in _together(passes):
        changes = sorted(
            [(at, 0, value) for at, value in rate.during(start, end)]
            + [(at, 1, holders) for at, holders in next_.full_during(start, end)]
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
            gated = current if holders else 0
            passed = gated * stuck // holders if holders else 0
            if times and times[-1] == at:
                gate[-1], values[-1] = gated, passed
            else:
                times.append(at)
                gate.append(gated)
                values.append(passed)
        gate[-1] = 0
    return _Steps(times, gate), _Steps(times, values)


def _together(passes: list[Pass]) -> Iterator[tuple[int, int, list[Pass]]]:
    """Those of ``passes`` that follow each other without a gap, with their start and end."""
    together: list[Pass] = []
    end = 0
    for each in passes:
        if together and each[0] >= end:
            yield together[0][0], end, together
            together = []
        end = max(end, each[1]) if together else each[1]
        together.append(each)
    if together:
        yield together[0][0], end, together


def _round(charges: Iterable[int], total: int) -> list[int]:
    """Whole ns that sum up to ``total``: what rounding leaves goes to the largest fractions."""
    exact = list(charges)
    whole = [charge >> SCALE for charge in exact]
    fractions = sorted(
        range(len(exact)), key=lambda i: (exact[i] & (1 << SCALE) - 1, i), reverse=True
    )
    for index in fractions[: total - sum(whole)]:
        whole[index] += 1
    return whole
