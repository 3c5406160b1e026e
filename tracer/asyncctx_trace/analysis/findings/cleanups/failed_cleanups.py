"""Exits that failed, and what they would have given back."""

from __future__ import annotations

from asyncctx_trace.analysis.findings.exit_evidence import kind_of, own_error
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.lookups import rows_with
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.events import Outcome

__all__ = ["failed_cleanups", "left_by_failed_cleanups"]

_SPEAKING = ("task group", "timeout")
"""Kinds whose exit raises to tell of others, not because it failed."""
_ANCESTORS = 32
"""Tasks above one, at most, that are looked at."""


def failed_cleanups(snapshot: Snapshot) -> list[int]:
    """Return the rows whose exit raised an error of its own."""
    return [
        row
        for row in rows_with(snapshot.timeline.exit_outcome, Outcome.ERROR, Outcome.TIMED_OUT)
        if kind_of(snapshot, row) not in _SPEAKING and own_error(snapshot, row)
    ]


def left_by_failed_cleanups(snapshot: Snapshot) -> dict[int, int]:
    """Map each acquisition that is open because the exit around it failed to the row of that exit.

    The exit would have ended it: it was begun within the enter of what failed to exit, or taken by
    a call inside the same library, in its body, by its task or by one that this created.
    """
    failed = snapshot.once(failed_cleanups)
    if not failed:
        return {}
    timeline = snapshot.timeline
    found: dict[int, int] = {}
    for row in timeline.in_flight:
        if timeline.entered(row) and timeline.exit_started[row] == NOT_YET:
            for around in failed:
                if _would_have_ended(snapshot, around, row):
                    found[row] = around
                    break
    return found


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
    found: set[int] = set()
    current: int | None = task
    while current is not None and current not in found and len(found) < _ANCESTORS:
        found.add(current)
        known = snapshot.timeline.tasks.get(current)
        current = known.parent if known else None
    return found
