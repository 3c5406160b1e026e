"""Who kept the waiters of a resource waiting: every nanosecond charged to a holder."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.columns import waits_of
from asyncctx_trace.analysis.occupancy import hold_of
from asyncctx_trace.analysis.timeline import NOT_YET

__all__ = ["Blame", "Share", "blame"]

SCALE = 64
"""Bits behind the point while a waiter's time is split among several holders."""


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


def blame(case: Case, resource: int) -> Blame:
    """Charge the waits for ``resource`` to its holders.

    A holder that waits itself, in its body, for another full resource passes the charge on to the
    holders of that one, and so on, until the way would come back to where it was.
    """
    occupancy = case.occupancy(resource)
    starts, ends = waits_of(case.timeline, case.timeline.rows_of_resource[resource], case.now)
    total, blamed = sum(ends) - sum(starts), occupancy.waited_in_all
    if not blamed:
        return Blame(resource, total, total)
    rate = _Steps(
        occupancy.times,
        [
            (waiters << SCALE) // holders if waiters else 0
            for waiters, holders in zip(occupancy.kept_out, occupancy.holders, strict=True)
        ],
    )
    charges: dict[tuple[int, int, tuple[int, ...]], int] = defaultdict(int)
    _charge(case, (resource,), rate, charges)
    shares = [
        Share(*key, ns) for key, ns in zip(charges, _round(charges.values(), blamed), strict=True)
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

    def until(self, at: int) -> int:
        """The integral up to time ``at``."""
        step = bisect_right(self.times, at) - 1
        if step < 0:
            return 0
        amount = self._before[step]
        if step + 1 < len(self.times):
            amount += (at - self.times[step]) * self.values[step]
        return amount

    def between(self, start: int, end: int) -> int:
        """The integral from ``start`` to ``end``."""
        return self.until(end) - self.until(start)


def _charge(
    case: Case,
    way: tuple[int, ...],
    rate: _Steps,
    charges: dict[tuple[int, int, tuple[int, ...]], int],
) -> None:
    """Charge each holder of the last resource of ``way`` with ``rate`` while it holds it."""
    timeline = case.timeline
    stuck: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for row in timeline.rows_of_resource[way[-1]]:
        for start, end, task in _holders(case, row):
            charge = rate.between(start, end)
            if charge:
                charges[timeline.site[row], task, way] += charge
                for since, until, waiting in case.waits.within(task, start, end):
                    if timeline.resource[waiting] not in way:
                        stuck[timeline.resource[waiting]].append((since, until, row))
    for next_, passes in stuck.items():
        occupancy = case.occupancy(next_)
        # For each moment: how many holders of this one are stuck at the next, and what part of
        # what they are charged with each holder of the next gets.
        times, values, gate = _passed_on(
            rate,
            passes,
            occupancy.times,
            [holders if holders >= occupancy.limit else 0 for holders in occupancy.holders],
        )
        gated = _Steps(times, gate)
        for since, until, row in passes:
            charges[timeline.site[row], case.holder(row, since), way] -= gated.between(since, until)
        if any(values):
            _charge(case, (*way, next_), _Steps(times, values), charges)


def _passed_on(
    rate: _Steps,
    passes: list[tuple[int, int, int]],
    full_times: Sequence[int],
    full: Sequence[int],
) -> tuple[list[int], list[int], list[int]]:
    """Times, the charge of each holder of the next resource, and that of each one stuck there."""
    changes = sorted(
        [(at, 0, value) for at, value in zip(rate.times, rate.values, strict=True)]
        + [(at, 1, holders) for at, holders in zip(full_times, full, strict=True)]
        + [(since, 2, 1) for since, _, _ in passes]
        + [(until, 2, -1) for _, until, _ in passes]
    )
    times: list[int] = []
    values: list[int] = []
    gate: list[int] = []
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
            values[-1], gate[-1] = passed, gated
        else:
            times.append(at)
            values.append(passed)
            gate.append(gated)
    return times, values, gate


def _holders(case: Case, row: int) -> Iterator[tuple[int, int, int]]:
    """Who held ``row`` from when to when: another task than before where that one cleans up."""
    hold = hold_of(case.timeline, row, case.now)
    if hold is None or hold[0] == hold[1]:
        return
    start, end = hold
    task, cleaner = case.timeline.task[row], case.timeline.exit_task[row]
    handed_over = case.timeline.exit_started[row]
    if cleaner == task or handed_over == NOT_YET:
        yield start, end, task
    else:
        yield start, handed_over, task
        yield handed_over, end, cleaner


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
