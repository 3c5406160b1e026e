"""Exits that are not in the reverse order of entering, where the order matters."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

from asyncctx_trace.analysis.findings.exit_evidence import (
    TASK_BOUND,
    exit_sites,
    kind_of,
    own_error,
)
from asyncctx_trace.analysis.findings.finding import EVIDENCE, Finding, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET

__all__ = ["OutOfOrderExit"]


_MOST = 64
"""The number of acquisitions that are compared with one that is exited below them."""


class OutOfOrderExit(Finding):
    """A task exited something while it was still inside what it had entered later.

    The order of independent resources does not matter: a client may be opened under a lock and live
    longer, on an exit stack of its own. Reported are kinds that must nest (timeouts and task groups
    of one task, transactions of one connection), and exits on stacks or by call one of which
    failed.
    """

    kind = "out-of-order-exit"
    severity = "warning"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each pair of sites."""
        timeline = snapshot.timeline
        times_of: Counter[tuple[int, int]] = Counter()
        evidence: dict[tuple[int, int], dict[int, None]] = {}
        for task in filter(snapshot.stacked.__contains__, timeline.rows_of_task):
            for lower, upper in _crossed(snapshot, task):
                if not _order_matters(snapshot, lower, upper):
                    continue
                sites = timeline.site[lower], timeline.site[upper]
                times_of[sites] += 1
                rows = evidence.setdefault(sites, {})
                if len(rows) < EVIDENCE:  # their number can be quadratic
                    rows |= {lower: None, upper: None}
        for sites, count in times_of.items():
            lower, upper, *_ = evidence[sites]
            by = timeline.exit_site[lower]
            yield cls.of(
                snapshot,
                evidence[sites],
                f"{snapshot.task_name(timeline.task[lower])} left "
                f"{snapshot.acquisition_label(lower)}"
                f"{f' by {snapshot.site_label(by)}' if by else ''} while it was still in "
                f"{snapshot.acquisition_label(upper)}, entered "
                f"later{_failure(snapshot, lower, upper)}{times(count)}.",
                at=timeline.exit_ended[lower],
                count=count,
                sites=exit_sites(snapshot, evidence[sites]),
            )


def _crossed(snapshot: Snapshot, task: int) -> Iterator[tuple[int, int]]:
    """Yield two acquisitions of ``task``, the outer one of which was exited first.

    Left out are acquisitions whose order never matters, and all but the outermost of many that
    were entered after the one that was exited.
    """
    timeline = snapshot.timeline
    bound = snapshot.once(_bound_resources)
    moves: list[tuple[int, int, int]] = []
    for row in snapshot.stacked[task]:
        matters = timeline.by_call[row] or timeline.resource[row] in bound
        if matters and timeline.task[row] == task:
            moves.append((timeline.enter_started[row], 0, row))
            if timeline.exit_ended[row] != NOT_YET:
                moves.append((timeline.exit_ended[row], 1, row))
    stack: list[int] = []
    arrivals: list[int] = []
    """By index in ``stack``: which of all arrivals it was."""
    arrival_of: dict[int, int] = {}
    for at, leaves, row in sorted(moves):
        if not leaves:
            arrival_of[row] = len(arrival_of)
            stack.append(row)
            arrivals.append(arrival_of[row])
            continue
        index = bisect_left(arrivals, arrival_of[row])
        for upper in stack[index + 1 : index + 1 + _MOST]:
            # Within one tick of the clock nobody can tell what came first.
            asked = timeline.enter_started[upper]
            if timeline.enter_ended[row] <= asked < at != timeline.exit_ended[upper]:
                yield row, upper
        del stack[index], arrivals[index]


def _bound_resources(snapshot: Snapshot) -> set[int]:
    """Return the resources whose exits must nest, by whatever they were entered."""
    resources = snapshot.timeline.resources
    kinds = (*TASK_BOUND, "transaction")
    return {resource for resource, known in resources.items() if known.kind in kinds}


def _order_matters(snapshot: Snapshot, lower: int, upper: int) -> bool:
    timeline = snapshot.timeline
    kinds = kind_of(snapshot, lower), kind_of(snapshot, upper)
    if all(kind in TASK_BOUND for kind in kinds):
        return True
    if timeline.resource[lower] == timeline.resource[upper] and set(kinds) == {"transaction"}:
        return True
    # What ends with an `async with` lies within it by its syntax: only what was entered on a stack
    # or by call can be meant to be left in another order.
    if not (timeline.by_call[lower] and timeline.by_call[upper]):
        return False
    return _failed(snapshot, lower, upper) != NOT_YET


def _failed(snapshot: Snapshot, lower: int, upper: int) -> int:
    """Return the row whose exit raised an error of its own, ``NOT_YET`` if none did."""
    return next((row for row in (lower, upper) if own_error(snapshot, row)), NOT_YET)


def _failure(snapshot: Snapshot, lower: int, upper: int) -> str:
    row = _failed(snapshot, lower, upper)
    if row == NOT_YET:
        return ""
    what = "and its" if row == lower else "whose"
    return f", {what} exit raised {snapshot.error_text(row, 'exit')}"
