"""A pool that is too small for those who want it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import compress, pairwise
from operator import sub

from asyncctx_trace.analysis.attempts import Attempts
from asyncctx_trace.analysis.blame import blame
from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.columns import entered, holds_of, waits_of
from asyncctx_trace.analysis.findings.exits import kind_of
from asyncctx_trace.analysis.findings.finding import Finding
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.timeline import NOT_YET
from asyncctx_trace.analysis.words import duration
from asyncctx_trace.events import Outcome

__all__ = ["StarvedPool"]

_BOUNDS = ("semaphore", "limiter")
_PARTS = 4
"""Parts of the time during which tasks asked, at whose ends a growing queue is longer each."""


class StarvedPool(Finding):
    """It was full, and those who queued waited longer than they then held it.

    Certain for pools. A semaphore is there to make tasks queue: only where a deadline passed in
    its queue, or where the queue grew until the end, is it possibly too small.
    """

    kind = "starved-pool"
    severity = "warning"

    @classmethod
    def check(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each resource."""
        for resource in case.limited:
            definition = case.timeline.resources[resource]
            if definition.capacity is None:
                continue
            if definition.kind == "pool" or definition.kind in _BOUNDS:
                yield from cls._of_resource(case, resource, thresholds)

    @classmethod
    def _of_resource(cls, case: Case, resource: int, thresholds: Thresholds) -> Iterator[Finding]:
        timeline = case.timeline
        definition = timeline.resources[resource]
        met = case.occupancy(resource).met
        waited = sum(met)
        if waited < thresholds.starved_pool:
            return
        queued = list(compress(timeline.rows_of_resource[resource], met))
        came, left = holds_of(timeline, queued, case.now)
        held = sum(left) - sum(came)
        if waited <= held:
            return
        late = _overtaken_by_deadlines(case, queued)
        if definition.kind in _BOUNDS and not late and not _grew(case, resource, queued):
            return
        most, when = case.occupancy(resource).most_waiters()
        asked, answered = waits_of(timeline, queued, case.now)
        lengths = list(map(sub, answered, asked))
        longest = queued[lengths.index(max(lengths))]
        worst = blame(case, resource).by_site()
        held_at = f", mostly for {case.place(worst[0][0])}" if worst else ""
        holders = case.holders(resource, asked[queued.index(longest)])
        yield cls.of(
            case,
            dict.fromkeys([longest, *holders[: definition.capacity], *queued]),
            f"`{case.resource(resource)}` lets in {definition.capacity} at once and had up to "
            f"{most} waiting: {len(queued)} waited {duration(waited)} in all{held_at}, "
            f"{_fate(case, queued, held, late)}.",
            certainty="certain" if definition.kind == "pool" else "possible",
            at=when or timeline.enter_started[longest],
            cost=waited,
            count=len(queued),
            sites=[worst[0][0]] if worst else (),
        )


def _fate(case: Case, queued: list[int], held: int, late: int) -> str:
    """Say how many of those who queued got in, and for how long."""
    inside = len(entered(case.timeline, queued))
    if not inside:
        return "and none of them got in"
    some = "" if inside == len(queued) else f"{inside} got in and "
    missed = f", and deadlines passed for {late}" if late else ""
    return f"and then {some}held it for {duration(held)}{missed}"


def _overtaken_by_deadlines(case: Case, queued: Sequence[int]) -> int:
    """Count those in the queue whose deadline passed and who did not get in later."""
    attempts = case.once(Attempts)
    return sum(
        _deadline_passed(case, row) and not attempts.succeeded_later(row)
        for row in queued
        if case.timeline.enter_outcome[row] in (Outcome.TIMED_OUT, Outcome.CANCELLED)
    )


def _deadline_passed(case: Case, row: int) -> bool:
    timeline = case.timeline
    return timeline.enter_outcome[row] == Outcome.TIMED_OUT or any(
        timeline.exit_outcome[around] == Outcome.TIMED_OUT
        and kind_of(case, around) == "timeout"
        and timeline.exit_started[around] >= timeline.enter_ended[row]
        for around in case.held_around(row)
    )


def _grew(case: Case, resource: int, queued: Sequence[int]) -> bool:
    """Whether the queue was longer at the end of each part of the time, and never got empty.

    A burst of tasks that a semaphore lets through one after the other makes a queue that shrinks;
    an arrival rate above the service rate makes one that grows until the recording ends.
    """
    timeline = case.timeline
    if not any(timeline.enter_ended[row] == NOT_YET for row in queued):
        return False
    occupancy = case.occupancy(resource)
    start = timeline.enter_started[queued[0]]
    moments = [start + (case.now - start) * part // _PARTS for part in range(1, _PARTS + 1)]
    lengths = [_queue_at(occupancy.times, occupancy.waiters, at) for at in moments]
    return all(one < other for one, other in pairwise(lengths))


def _queue_at(times: Sequence[int], waiters: Sequence[int], at: int) -> int:
    step = bisect_left(times, at) - 1
    return waiters[step] if step >= 0 else 0
