"""Limits on the creation of tasks instead of on their work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    if more of those ran at once than the semaphore allows. A task runs from its first to its last
    event: an acquisition, or a wait for something else.
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
                children, most = result
                first = [own[0] for child in children if (own := _rows(snapshot, child))]
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
                    tasks=children,
                    sites=[timeline.site[row] for row in first],
                )


def _created(
    snapshot: Snapshot, task: int, holds: list[int], capacity: int, resource: int
) -> tuple[list[int], int] | None:
    """Return the tasks created, in order of their first events, and how many ran at once at most.

    ``None`` if the limit was effective.
    """
    timeline = snapshot.timeline
    if len(holds) <= capacity or not all(_is_over(snapshot, row) for row in holds):
        return None
    since = timeline.enter_ended[holds[0]]
    lives = sorted(
        (*life, definition.task)
        for definition in timeline.tasks.values()
        if definition.parent == task
        and definition.at >= since
        and (life := _life(snapshot, definition.task)) is not None
    )
    # A task for each time that it was held, which came after it and took no part in the limit.
    if not capacity < len(lives) == len(holds):
        return None
    if any(
        start < timeline.exit_ended[hold] for (start, _, _), hold in zip(lives, holds, strict=True)
    ):
        return None
    if any(
        timeline.resource[row] == resource or kind_of(snapshot, row) in _BOUNDS
        for _, _, child in lives
        for row in _rows(snapshot, child)
    ):
        return None
    held = sum(timeline.exit_ended[row] - timeline.enter_ended[row] for row in holds)
    if held * _BRIEFLY > sum(end - start for start, end, _ in lives):
        return None
    most = _most_at_once([(start, end) for start, end, _ in lives])
    return ([child for _, _, child in lives], most) if most > capacity else None


def _rows(snapshot: Snapshot, task: int) -> Sequence[int]:
    return snapshot.timeline.rows_of_task.get(task, ())


def _life(snapshot: Snapshot, task: int) -> tuple[int, int] | None:
    """Return the times of the first and the last event of ``task``; ``None`` if it has none."""
    timeline, waits = snapshot.timeline, snapshot.timeline.waits
    spans = []
    if rows := _rows(snapshot, task):
        spans.append((timeline.enter_started[rows[0]], _end(snapshot, rows[-1])))
    if awaits := waits.rows_of_task.get(task):
        ended = waits.ended[awaits[-1]]
        spans.append((waits.started[awaits[0]], snapshot.now if ended == NOT_YET else ended))
    if not spans:
        return None
    return min(start for start, _ in spans), max(end for _, end in spans)


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
