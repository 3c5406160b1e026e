"""A pool that is too small for those who want it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, compress
from operator import sub

from asyncctx_trace.analysis.blame import blame
from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.columns import holds_of, waits_of
from asyncctx_trace.analysis.findings.finding import Finding
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.words import duration

__all__ = ["StarvedPool"]

_KINDS = ("pool", "semaphore", "limiter")


class StarvedPool(Finding):
    """It was full, and those who queued waited longer than they then held it.

    Certain for pools; a semaphore may be there to make tasks queue.
    """

    kind = "starved-pool"
    severity = "warning"

    @classmethod
    def check(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each resource."""
        for resource in case.limited:
            definition = case.timeline.resources[resource]
            if definition.kind in _KINDS and definition.capacity is not None:
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
        most, when = case.occupancy(resource).most_waiters()
        asked, answered = waits_of(timeline, queued, case.now)
        lengths = list(map(sub, answered, asked))
        longest = queued[lengths.index(max(lengths))]
        worst = blame(case, resource).by_site()
        held_at = f", mostly for {case.place(worst[0][0])}" if worst else ""
        yield cls.of(
            case,
            chain([longest], filter(longest.__ne__, queued)),
            f"`{case.resource(resource)}` lets in {definition.capacity} at once and had up to "
            f"{most} waiting: {len(queued)} waited {duration(waited)} in all{held_at}, and then "
            f"held it for {duration(held)}.",
            certainty="certain" if definition.kind == "pool" else "possible",
            at=when or timeline.enter_started[longest],
            cost=waited,
            count=len(queued),
        )
