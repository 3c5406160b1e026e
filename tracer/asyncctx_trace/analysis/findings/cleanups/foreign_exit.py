"""Exits in another task than the enter, where that matters."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.findings.calling_sites import called_from, caller_sites
from asyncctx_trace.analysis.findings.exit_evidence import (
    TASK_BOUND,
    closed_generator,
    exit_sites,
    kind_of,
    own_error,
    violates_ownership,
)
from asyncctx_trace.analysis.findings.finding import Finding, by_site, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.row_lookup import differing
from asyncctx_trace.analysis.timeline.table import NOT_YET

__all__ = ["ForeignExit"]

_LEFT_EARLY = ": its generator was left early, and closed by the event loop or by `aclose()`"


class ForeignExit(Finding):
    """The exit ran in a task that must not run it, or that nobody expected to.

    To hand over a permit, a connection or a session is allowed, and so is a fixture whose set-up
    and tear-down run in two tasks, and a generator that a task closes on purpose. Reported are
    exits of generators that were left early and that the event loop closes, exits that raise
    because of the task they run in, and task groups and timeouts whose own task, which they cancel,
    goes on elsewhere.
    """

    kind = "foreign-exit"
    severity = "warning"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each resource and site."""
        timeline = snapshot.timeline
        reasons: dict[int, str] = {}
        for row in differing(timeline.exit_task, timeline.task):
            if timeline.exit_started[row] != NOT_YET and not snapshot.abandoned(row):
                reason = _why(snapshot, row)
                if reason is not None:
                    reasons[row] = reason
        for group in by_site(snapshot, reasons).values():
            row = group[0]
            yield cls.of(
                snapshot,
                group,
                f"{snapshot.acquisition_label(row)}{called_from(snapshot, row)} was entered in "
                f"{snapshot.task_name(timeline.task[row])} and exited in "
                f"{snapshot.task_name(timeline.exit_task[row])}{reasons[row]}{times(len(group))}.",
                certainty="possible" if reasons[row] is _LEFT_EARLY else "certain",
                at=timeline.exit_started[row],
                count=len(group),
                tasks=[timeline.exit_task[row] for row in group],
                sites=[*exit_sites(snapshot, group), *caller_sites(snapshot, group)],
            )


def _why(snapshot: Snapshot, row: int) -> str | None:
    """Return what is wrong with the task that exited; ``None`` if nothing is."""
    if closed_generator(snapshot, row) and _is_new(snapshot, row):
        return _LEFT_EARLY
    if own_error(snapshot, row) and violates_ownership(snapshot, row):
        return f", where its exit raised {snapshot.error_text(row, 'exit')}"
    if kind_of(snapshot, row) in TASK_BOUND and _goes_on(snapshot, row):
        return ", though it cancels the task that entered it"
    return None


def _is_new(snapshot: Snapshot, row: int) -> bool:
    """Return whether the task that exited had entered nothing before.

    The event loop closes a generator in a task that it creates for that, and a program may do the
    same on purpose. A task that has entered something belongs to the program.
    """
    timeline = snapshot.timeline
    return not any(
        timeline.enter_started[other] < timeline.exit_started[row]
        for other in timeline.rows_of_task.get(timeline.exit_task[row], ())
    )


def _goes_on(snapshot: Snapshot, row: int) -> bool:
    """Return whether the task that entered did anything after the exit started elsewhere."""
    timeline = snapshot.timeline
    rows = timeline.rows_of_task[timeline.task[row]]
    return any(
        timeline.exit_task[other] == timeline.task[row]
        and max(timeline.enter_started[other], timeline.exit_ended[other])
        > timeline.exit_started[row]
        for other in rows
    )
