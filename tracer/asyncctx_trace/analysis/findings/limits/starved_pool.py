"""Pools that are too small for the tasks that want them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import compress, pairwise
from operator import sub
from statistics import median

from asyncctx_trace.analysis.contention.attribution import blame
from asyncctx_trace.analysis.deadlocks.cycles import cycles_of
from asyncctx_trace.analysis.findings.exit_evidence import kind_of
from asyncctx_trace.analysis.findings.failed_enters.still_waiting import is_stuck
from asyncctx_trace.analysis.findings.finding import Certainty, Finding
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.retries import Retries
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.row_lookup import entered, holds_of, waits_of
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.events import Outcome

__all__ = ["StarvedPool"]

_BOUNDS = ("semaphore", "limiter")
_PARTS = 4
"""The number of parts of the time during which tasks asked; a growing queue is longer at the end of
each."""


_CLOSED = re.compile(r"clos", re.IGNORECASE)
"""Errors of a pool that is being closed, as at the end of a program."""
_NOTICED = 100_000_000
"""The duration from which a person notices a wait, in ns (Miller 1968; Nielsen 1993)."""
_MUCH_LONGER = 10
"""How many times longer a slow holder holds it than its waiters do."""


class StarvedPool(Finding):
    """It was full, and tasks in its queue gave up or waited much longer than they held it.

    Certain for a pool in whose queue a deadline passed, or in which a task never entered. A queue
    alone is no fault, neither of a semaphore nor of a pool: it is possibly too small if the queue
    grew until the end, or if slow holders of a pool kept out quick ones.
    """

    kind = "starved-pool"
    severity = "warning"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each resource."""
        for resource in snapshot.limited:
            definition = snapshot.timeline.resources[resource]
            if definition.capacity is None:
                continue
            if definition.kind == "pool" or definition.kind in _BOUNDS:
                yield from cls._of_resource(snapshot, resource, thresholds)

    @classmethod
    def _of_resource(
        cls, snapshot: Snapshot, resource: int, thresholds: Thresholds
    ) -> Iterator[Finding]:
        timeline = snapshot.timeline
        definition = timeline.resources[resource]
        met = snapshot.occupancy(resource).blocked_times
        waited = sum(met)
        if waited < thresholds.starved_pool:
            return
        queued = list(compress(timeline.rows_of_resource[resource], met))
        came, left = holds_of(timeline, queued, snapshot.now)
        held = sum(left) - sum(came)
        late = _turned_away(snapshot, queued)
        certainty = _judge(snapshot, resource, queued, thresholds, late, waited > held)
        if certainty is None:
            return
        most, when = snapshot.occupancy(resource).most_waiters()
        asked, answered = waits_of(timeline, queued, snapshot.now)
        lengths = list(map(sub, answered, asked))
        longest = queued[lengths.index(max(lengths))]
        worst = blame(snapshot, resource).by_site()
        held_at = f", mostly for {snapshot.site_label(worst[0][0])}" if worst else ""
        holders = snapshot.holders(resource, asked[queued.index(longest)])
        yield cls.of(
            snapshot,
            dict.fromkeys([longest, *holders[: definition.capacity], *queued]),
            f"`{snapshot.resource_name(resource)}` lets in {definition.capacity} at once and had "
            f"up to {most} waiting: {len(queued)} waited {format_duration(waited)} in "
            f"all{held_at}, {_fate(snapshot, queued, held, late)}.",
            certainty=certainty,
            at=when or timeline.enter_started[longest],
            cost=waited,
            count=len(queued),
            sites=[worst[0][0]] if worst else (),
        )


def _fate(snapshot: Snapshot, queued: list[int], held: int, late: int) -> str:
    """Describe how many of ``queued`` entered, and for how long they held it."""
    inside = len(entered(snapshot.timeline, queued))
    if not inside:
        return "and none of them got in"
    some = "" if inside == len(queued) else f"{inside} got in and "
    missed = f", and {late} had to give up" if late else ""
    return f"and then {some}held it for {format_duration(held)}{missed}"


def _judge(
    snapshot: Snapshot,
    resource: int,
    queued: list[int],
    thresholds: Thresholds,
    late: int,
    waited_longer: bool,
) -> Certainty | None:
    """Return the certainty that it was too small, ``None`` if it was not.

    ``late``: how many gave up; ``waited_longer``: ``queued`` waited longer than they held it.
    """
    if snapshot.timeline.resources[resource].kind in _BOUNDS:
        return "possible" if waited_longer and (late or _grew(snapshot, resource, queued)) else None
    explained = {row for cycle in snapshot.once(cycles_of) for row in (*cycle.waits, *cycle.behind)}
    never = any(
        snapshot.timeline.enter_ended[row] == NOT_YET
        and row not in explained
        and is_stuck(snapshot, row, thresholds.still_waiting)
        for row in queued
    )
    if late or (never and not snapshot.running):
        return "certain"
    if waited_longer and (never or _grew(snapshot, resource, queued)):
        return "possible"
    return "possible" if _slow_keep_out_quick(snapshot, resource, queued) else None


def _turned_away(snapshot: Snapshot, queued: Sequence[int]) -> int:
    """Return how many of ``queued`` had to give up, and did not enter later.

    A deadline passed, or the pool raised an error while it was full.
    """
    retries = snapshot.once(Retries)
    return sum(
        _had_to_give_up(snapshot, row) and not retries.succeeded_later(row) for row in queued
    )


def _had_to_give_up(snapshot: Snapshot, row: int) -> bool:
    timeline = snapshot.timeline
    outcome = timeline.enter_outcome[row]
    if outcome == Outcome.ERROR:
        error = timeline.errors.get((row, "enter"))
        if error is not None and _CLOSED.search(f"{error.type} {error.message}"):
            return False
        occupancy = snapshot.occupancy(timeline.resource[row])
        held = len(occupancy.holders_at(timeline.enter_ended[row] - 1))
        return held >= occupancy.limit
    return outcome == Outcome.TIMED_OUT or (
        outcome == Outcome.CANCELLED
        and any(
            timeline.exit_outcome[around] == Outcome.TIMED_OUT
            and kind_of(snapshot, around) == "timeout"
            and timeline.exit_started[around] >= timeline.enter_ended[row]
            for around in snapshot.held_around(row)
        )
    )


def _slow_keep_out_quick(snapshot: Snapshot, resource: int, queued: Sequence[int]) -> bool:
    """Return whether a noticeable wait is due to holds that are much longer than the waiters' own.

    Jobs of the same length that come in a burst wait for each other, and that is what a pool is
    for.
    """
    timeline = snapshot.timeline
    asked, answered = waits_of(timeline, queued, snapshot.now)
    if max(map(sub, answered, asked)) < _NOTICED:
        return False
    own = [snapshot.body_length(row) for row in entered(timeline, queued)]
    charged = [
        (site, ns) for site, path, ns in blame(snapshot, resource).by_site() if len(path) == 1
    ]
    if not own or not charged:
        return False
    site = charged[0][0]
    holds = [
        snapshot.body_length(row)
        for row in timeline.rows_of_resource[resource]
        if timeline.site[row] == site and timeline.entered(row)
    ]
    # Who meets one of several holds at random meets the long ones more often.
    met = sum(length * length for length in holds) // max(sum(holds), 1)
    return met > _MUCH_LONGER * median(own)


def _grew(snapshot: Snapshot, resource: int, queued: Sequence[int]) -> bool:
    """Return whether the queue was longer at the end of each part of the time, and never empty.

    A burst of tasks that a semaphore lets through one after the other makes a queue that shrinks;
    an arrival rate above the service rate makes one that grows until the recording ends.
    """
    timeline = snapshot.timeline
    if not any(timeline.enter_ended[row] == NOT_YET for row in queued):
        return False
    occupancy = snapshot.occupancy(resource)
    start = timeline.enter_started[queued[0]]
    moments = [start + (snapshot.now - start) * part // _PARTS for part in range(1, _PARTS + 1)]
    lengths = [_queue_at(occupancy.times, occupancy.waiters, at) for at in moments]
    return all(one < other for one, other in pairwise(lengths))


def _queue_at(times: Sequence[int], waiters: Sequence[int], at: int) -> int:
    step = bisect_left(times, at) - 1
    return waiters[step] if step >= 0 else 0
