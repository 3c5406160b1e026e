"""Exits that failed, and the acquisitions that they would have released."""

from __future__ import annotations

from asyncctx_trace.analysis.findings.exit_evidence import kind_of, own_error
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.row_lookup import rows_with
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.events import Outcome

__all__ = ["failed_cleanups", "left_by_failed_cleanups"]

_SPEAKING = ("task group", "timeout")
"""Kinds whose exit raises errors of others, not because it failed."""
_ANCESTORS = 32
"""The maximum number of ancestors of a task that are looked at."""


def failed_cleanups(snapshot: Snapshot) -> list[int]:
    """Return the rows whose exit raised an error of its own."""
    return [
        row
        for row in rows_with(snapshot.timeline.exit_outcome, Outcome.ERROR, Outcome.TIMED_OUT)
        if kind_of(snapshot, row) not in _SPEAKING and own_error(snapshot, row)
    ]


def left_by_failed_cleanups(snapshot: Snapshot) -> dict[int, int]:
    """Return open acquisition -> the exit around it that failed, and would have released it.

    It was made during the enter of what failed to exit; or taken by a call inside the same library,
    in its body, by its task or by one that this created.
    """
    failed = snapshot.once(failed_cleanups)
    if not failed:
        return {}
    timeline = snapshot.timeline
    result: dict[int, int] = {}
    for row in timeline.in_flight:
        if timeline.entered(row) and timeline.exit_started[row] == NOT_YET:
            for around in failed:
                if _would_have_ended(snapshot, around, row):
                    result[row] = around
                    break
    return result


def _would_have_ended(snapshot: Snapshot, around: int, row: int) -> bool:
    timeline = snapshot.timeline
    began = timeline.enter_started[row]
    if not timeline.enter_started[around] <= began <= timeline.exit_started[around]:
        return False
    if began < timeline.enter_ended[around]:
        return snapshot.parents[row] == around
    return (
        bool(timeline.by_call[row])
        and _library(snapshot, row) == _library(snapshot, around) != "__main__"
        and timeline.task[around] in _ancestors(snapshot, timeline.task[row])
    )


def _library(snapshot: Snapshot, row: int) -> str:
    return snapshot.timeline.manager[row].partition(".")[0]


def _ancestors(snapshot: Snapshot, task: int) -> set[int]:
    result: set[int] = set()
    current: int | None = task
    while current is not None and current not in result and len(result) < _ANCESTORS:
        result.add(current)
        definition = snapshot.timeline.tasks.get(current)
        current = definition.parent if definition else None
    return result
