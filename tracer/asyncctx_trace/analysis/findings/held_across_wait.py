"""A lock held while waiting for something else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.findings.finding import Finding, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.lock_order import nestings
from asyncctx_trace.analysis.occupancy import wait_of
from asyncctx_trace.analysis.words import duration

__all__ = ["HeldAcrossWait"]


class HeldAcrossWait(Finding):
    """While a task waited for one resource, others waited for another that it held."""

    kind = "held-across-wait"
    severity = "note"

    @classmethod
    def check(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each site of the hold and site of the wait, the worst first."""
        timeline = case.timeline
        groups: dict[tuple[int, int, int], list[tuple[int, int]]] = defaultdict(list)
        cost: dict[tuple[int, int, int], int] = defaultdict(int)
        for nesting in case.once(nestings):
            if not case.contended(nesting.inner):
                continue
            held = timeline.resource[nesting.outer]
            waited = case.occupancy(held).waited(*wait_of(timeline, nesting.inner, case.now))
            if waited:
                key = held, timeline.site[nesting.outer], timeline.site[nesting.inner]
                groups[key].append((nesting.outer, nesting.inner))
                cost[key] += waited
        for key in sorted(groups, key=cost.__getitem__, reverse=True):
            if cost[key] < thresholds.held_across_wait:
                break
            outer, inner = groups[key][0]
            yield cls.of(
                case,
                [row for pair in groups[key] for row in pair],
                f"{case.task(timeline.task[outer])} held {case.where(outer)} while it waited for "
                f"{case.where(inner)}, and others waited {duration(cost[key])} for it meanwhile"
                f"{times(len(groups[key]))}.",
                at=timeline.enter_started[inner],
                cost=cost[key],
                count=len(groups[key]),
            )
