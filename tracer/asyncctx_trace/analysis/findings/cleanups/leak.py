"""Acquisitions that were entered and never exited."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from asyncctx_trace.analysis.contention.permits import handed_over, is_anonymous
from asyncctx_trace.analysis.findings.calling_sites import called_from, caller_sites
from asyncctx_trace.analysis.findings.cleanups.failed_cleanups import left_by_failed_cleanups
from asyncctx_trace.analysis.findings.exit_evidence import exit_sites
from asyncctx_trace.analysis.findings.finding import EVIDENCE, Certainty, Finding, by_site, times
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.occupancy import contends
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.completeness import is_complete
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.durations import format_duration

__all__ = ["Leak"]


class Leak(Finding):
    """It was entered and never exited: the task is gone, or the program has ended.

    Certain if nobody is left who could exit it. What was in its body when the program was killed is
    not a leak.
    """

    kind = "leak"
    severity = "error"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each resource and site."""
        by_certainty: dict[Certainty, list[int]] = {"certain": [], "possible": []}
        explained = snapshot.once(left_by_failed_cleanups)
        for row in snapshot.timeline.in_flight:
            certainty = None if row in explained else _judge(snapshot, row)
            if certainty is not None:
                by_certainty[certainty].append(row)
        for certainty, rows in by_certainty.items():
            for group in by_site(snapshot, rows).values():
                yield cls.of(
                    snapshot,
                    group,
                    _say(snapshot, group),
                    certainty=certainty,
                    at=snapshot.timeline.enter_ended[group[0]],
                    cost=sum(snapshot.now - snapshot.timeline.enter_ended[row] for row in group),
                    count=len(group),
                    tasks=[snapshot.timeline.task[row] for row in _waiting(snapshot, group)],
                    sites=[
                        *exit_sites(snapshot, group),
                        *caller_sites(snapshot, group),
                        *(snapshot.timeline.site[row] for row in _waiting(snapshot, group)),
                    ],
                )


def _judge(snapshot: Snapshot, row: int) -> Certainty | None:
    timeline = snapshot.timeline
    if not timeline.entered(row):
        return None
    task = timeline.task[row]
    if is_anonymous(timeline, row):
        resource = timeline.resource[row]
        always = snapshot.once(handed_over).get(resource)
        if always is not None:  # others give back what is taken here
            return None if always else _handed_over(snapshot, task)
        if timeline.resources[resource].kind == "signal":
            return None  # released by others first, as often as there is something to take
    end = snapshot.end_of(task)
    gone = task in timeline.task_ended
    # What was acquired by call, or on a stack, others may give back as long as they run.
    nobody_left = (gone and not timeline.by_call[row]) or row in timeline.collected
    if end == "ended" or (nobody_left and end in ("closed", "killed")):
        # Once its task is gone nobody exits it: what is missing afterwards does not matter.
        until = timeline.task_ended.get(task, inf) if nobody_left else inf
        since = timeline.enter_ended[row]
        return "certain" if is_complete(timeline, [task], since, until) else "possible"
    if gone and timeline.by_call[row] and end != "closed" and _given_back_by_others(snapshot, row):
        return None
    return "possible" if gone or nobody_left or end == "closed" else None


def _given_back_by_others(snapshot: Snapshot, row: int) -> bool:
    """Return whether other tasks released the same resource before."""
    timeline = snapshot.timeline
    return any(
        timeline.exit_task[other] != timeline.task[other]
        for other in timeline.rows_of_resource[timeline.resource[row]]
    )


def _handed_over(snapshot: Snapshot, task: int) -> Certainty | None:
    """Return the certainty if any task may release it, as long as there is one."""
    return "possible" if snapshot.end_of(task) in ("ended", "closed") else None


def _say(snapshot: Snapshot, rows: list[int]) -> str:
    timeline = snapshot.timeline
    row = rows[0]
    task = timeline.task[row]
    if row in timeline.collected:
        held = format_duration(timeline.collected[row] - timeline.enter_ended[row])
        why = f"what it holds was collected while it was held, after {held}"
    elif timeline.exit_started[row] != NOT_YET:
        by = timeline.exit_site[row]
        why = f"its exit began{f' at {snapshot.site_label(by)}' if by else ''} and never ended"
    elif task in timeline.task_ended:
        known = timeline.tasks.get(task)
        of_thread = known is not None and known.runtime == "none"
        why = "its thread has ended" if of_thread else "its task is done"
    elif snapshot.end_of(task) == "ended":
        why = "the program is over"
    else:
        why = "the recording is over"
    return (
        f"{snapshot.acquisition_label(row)}{called_from(snapshot, row)} was entered by "
        f"{snapshot.task_name(task)} and never exited: "
        f"{why}{_kept_out(snapshot, rows)}{times(len(rows))}."
    )


def _kept_out(snapshot: Snapshot, rows: list[int]) -> str:
    """Describe who waits for what was not released."""
    waiting = _waiting(snapshot, rows)
    if not waiting:
        return ""
    tasks = list(dict.fromkeys(snapshot.timeline.task[row] for row in waiting))
    return f"; {snapshot.task_names(tasks)} still {'waits' if len(tasks) == 1 else 'wait'} for it"


def _waiting(snapshot: Snapshot, rows: list[int]) -> list[int]:
    """Return the rows that wait for the resource of ``rows`` while it is full."""
    timeline = snapshot.timeline
    resource = timeline.resource[rows[0]]
    if not contends(timeline.resources.get(resource)):
        return []
    holders = len(snapshot.holders(resource, snapshot.now))
    if holders < snapshot.occupancy(resource).limit:
        return []
    return snapshot.once(_waiting_rows).get(resource, [])[:EVIDENCE]


def _waiting_rows(snapshot: Snapshot) -> dict[int, list[int]]:
    """Return resource -> the open rows that have not entered it."""
    timeline = snapshot.timeline
    waiting: dict[int, list[int]] = {}
    for row in timeline.in_flight:
        if timeline.enter_ended[row] == NOT_YET:
            waiting.setdefault(timeline.resource[row], []).append(row)
    return waiting
