"""Limits on the creation of tasks instead of on their work."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.findings.exit_evidence import kind_of
from asyncctx_trace.analysis.findings.finding import Finding
from asyncctx_trace.analysis.findings.thresholds import Thresholds
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET

__all__ = ["IneffectiveLimit"]

_BOUNDS = ("semaphore", "limiter")
_BRIEFLY = 10
"""How many times longer the tasks must have run in total than the semaphore was held."""


class IneffectiveLimit(Finding):
    """A semaphore was held while tasks were created, not while they ran.

    Never certain: recordings do not say when a task was created. Reported if a task held the
    semaphore repeatedly without ever waiting, once and briefly for each task that it created, and
    if more of those ran at once than the semaphore allows.
    """

    kind = "ineffective-limit"
    severity = "warning"

    @classmethod
    def check(cls, snapshot: Snapshot, thresholds: Thresholds) -> Iterator[Finding]:
        """Yield one for each semaphore and each task that holds it so."""
        timeline = snapshot.timeline
        for resource in snapshot.limited:
            definition = timeline.resources[resource]
            if definition.kind not in _BOUNDS or definition.capacity is None:
                continue
            rows = timeline.rows_of_resource[resource]
            holders = dict.fromkeys(timeline.task[row] for row in rows)
            if len(holders) > definition.capacity or any(
                snapshot.occupancy(resource).blocked_times
            ):
                continue
            for task in holders:
                holds = [row for row in rows if timeline.task[row] == task]
                result = _created(snapshot, task, holds, definition.capacity, resource)
                if result is None:
                    continue
                first, most = result
                yield cls.of(
                    snapshot,
                    holds,
                    f"{snapshot.task_name(task)} held `{snapshot.resource_name(resource)}` at "
                    f"{snapshot.site_label(timeline.site[holds[0]])} only while it created tasks, "
                    f"not while they ran: up to {most} of them ran at once, though it lets in "
                    f"{definition.capacity}.",
                    certainty="possible",
                    at=timeline.enter_started[holds[0]],
                    count=len(holds),
                    tasks=[timeline.task[row] for row in first],
                    sites=[timeline.site[row] for row in first],
                )


def _created(
    snapshot: Snapshot, task: int, holds: list[int], capacity: int, resource: int
) -> tuple[list[int], int] | None:
    """Return the first row of each task created, and how many ran at once at most.

    ``None`` if the limit was effective.
    """
    timeline = snapshot.timeline
    if len(holds) <= capacity or not all(_is_over(snapshot, row) for row in holds):
        return None
    since = timeline.enter_ended[holds[0]]
    first = [
        timeline.rows_of_task[definition.task][0]
        for definition in timeline.tasks.values()
        if definition.parent == task
        and definition.at >= since
        and definition.task in timeline.rows_of_task
    ]
    # A task for each time that it was held, which came after it and took no part in the limit.
    if not capacity < len(first) == len(holds):
        return None
    first.sort()
    if any(
        timeline.enter_started[row] < timeline.exit_ended[hold]
        for row, hold in zip(first, holds, strict=True)
    ):
        return None
    children = [timeline.task[row] for row in first]
    spans = []
    for child in children:
        rows = timeline.rows_of_task[child]
        if any(
            timeline.resource[row] == resource or kind_of(snapshot, row) in _BOUNDS for row in rows
        ):
            return None
        spans.append((timeline.enter_started[rows[0]], _end(snapshot, rows[-1])))
    held = sum(timeline.exit_ended[row] - timeline.enter_ended[row] for row in holds)
    if held * _BRIEFLY > sum(end - start for start, end in spans):
        return None
    most = _most_at_once(spans)
    return (first, most) if most > capacity else None


def _is_over(snapshot: Snapshot, row: int) -> bool:
    """Return whether ``row`` has been exited by the task that entered it."""
    timeline = snapshot.timeline
    return timeline.exit_ended[row] != NOT_YET and timeline.exit_task[row] == timeline.task[row]


def _end(snapshot: Snapshot, row: int) -> int:
    ended = max(snapshot.timeline.enter_ended[row], snapshot.timeline.exit_ended[row])
    return snapshot.now if snapshot.timeline.exit_ended[row] == NOT_YET else ended


def _most_at_once(spans: list[tuple[int, int]]) -> int:
    moves = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    now = most = 0
    for _, change in moves:
        now += change
        most = max(most, now)
    return most
