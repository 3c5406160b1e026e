"""Not last in, first out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from asyncctx_trace.analysis.case import Case
from asyncctx_trace.analysis.findings.finding import EVIDENCE, Finding, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.timeline import NOT_YET

__all__ = ["OutOfOrderExit"]


class OutOfOrderExit(Finding):
    """A task left something while it was still inside what it had entered on top of it."""

    kind = "out-of-order-exit"
    severity = "warning"

    @classmethod
    def check(cls, case: Case, thresholds: Thresholds) -> Iterator[Finding]:
        """One for each two sites."""
        timeline = case.timeline
        times_of: Counter[tuple[int, int]] = Counter()
        evidence: dict[tuple[int, int], dict[int, None]] = {}
        for task in filter(case.stacked.__contains__, timeline.rows_of_task):
            for lower, upper in _crossed(case, task):
                places = timeline.site[lower], timeline.site[upper]
                times_of[places] += 1
                rows = evidence.setdefault(places, {})
                if len(rows) < EVIDENCE:  # of a thousand left the wrong way there are a million
                    rows |= {lower: None, upper: None}
        for places, count in times_of.items():
            lower, upper, *_ = evidence[places]
            yield cls.of(
                case,
                evidence[places],
                f"{case.task(timeline.task[lower])} left {case.where(lower)} while it was still in "
                f"{case.where(upper)}, entered later{times(count)}.",
                at=timeline.exit_ended[lower],
                count=count,
            )


def _crossed(case: Case, task: int) -> Iterator[tuple[int, int]]:
    """Two acquisitions of ``task``: entered one within the other, and left the other way round."""
    timeline = case.timeline
    moves: list[tuple[int, int, int]] = []
    for row in case.stacked[task]:
        if timeline.task[row] == task:
            moves.append((timeline.enter_started[row], 0, row))
            if timeline.exit_ended[row] != NOT_YET:
                moves.append((timeline.exit_ended[row], 1, row))
    stack: list[int] = []
    for at, leaves, row in sorted(moves):
        if not leaves:
            stack.append(row)
            continue
        for upper in stack[stack.index(row) + 1 :]:
            # Within one tick of the clock nobody can tell what came first.
            asked = timeline.enter_started[upper]
            if timeline.enter_ended[row] <= asked < at != timeline.exit_ended[upper]:
                yield row, upper
        stack.remove(row)
