"""Exits that failed, and what they would have given back."""

from __future__ import annotations

from asyncctx_trace.analysis.findings.exits import kind_of, own_error
from asyncctx_trace.analysis.snapshot import Case
from asyncctx_trace.analysis.timeline.lookups import rows_with
from asyncctx_trace.analysis.timeline.table import NOT_YET
from asyncctx_trace.model.events import Outcome

__all__ = ["failed_cleanups", "left_by_failed_cleanups"]

_SPEAKING = ("task group", "timeout")
"""Kinds whose exit raises to tell of others, not because it failed."""
_ANCESTORS = 32
"""Tasks above one, at most, that are looked at."""


def failed_cleanups(case: Case) -> list[int]:
    """Return the rows whose exit raised an error of its own."""
    return [
        row
        for row in rows_with(case.timeline.exit_outcome, Outcome.ERROR, Outcome.TIMED_OUT)
        if kind_of(case, row) not in _SPEAKING and own_error(case, row)
    ]


def left_by_failed_cleanups(case: Case) -> dict[int, int]:
    """Map each acquisition that is open because the exit around it failed to the row of that exit.

    The exit would have ended it: it was begun within the enter of what failed to exit, or taken by
    a call inside the same library, in its body, by its task or by one that this created.
    """
    failed = case.once(failed_cleanups)
    if not failed:
        return {}
    timeline = case.timeline
    found: dict[int, int] = {}
    for row in timeline.in_flight:
        if timeline.entered(row) and timeline.exit_started[row] == NOT_YET:
            for around in failed:
                if _would_have_ended(case, around, row):
                    found[row] = around
                    break
    return found


def _would_have_ended(case: Case, around: int, row: int) -> bool:
    timeline = case.timeline
    began = timeline.enter_started[row]
    if not timeline.enter_started[around] <= began <= timeline.exit_started[around]:
        return False
    if began < timeline.enter_ended[around]:
        return case.parents[row] == around
    return (
        bool(timeline.by_call[row])
        and _library(case, row) == _library(case, around) != "__main__"
        and timeline.task[around] in _ancestors(case, timeline.task[row])
    )


def _library(case: Case, row: int) -> str:
    return case.timeline.manager[row].partition(".")[0]


def _ancestors(case: Case, task: int) -> set[int]:
    found: set[int] = set()
    current: int | None = task
    while current is not None and current not in found and len(found) < _ANCESTORS:
        found.add(current)
        known = case.timeline.tasks.get(current)
        current = known.parent if known else None
    return found
