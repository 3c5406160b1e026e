"""Waits for other things than managers that nobody seems to be left to end."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection

from asyncctx_trace.analysis.deadlocks.enders import describe_enders, enders_of
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.row_lookup import resource_key
from asyncctx_trace.analysis.timeline.table import NOT_YET, Timeline
from asyncctx_trace.analysis.wait_subjects import describe_subject
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.waits import WaitKind

__all__ = ["describe_unended", "unended_waits"]

_FOR_CONSUMERS = frozenset({WaitKind.QUEUE_JOIN, WaitKind.QUEUE_PUT, WaitKind.SEND})


def unended_waits(
    snapshot: Snapshot, threshold: int, explained: Collection[int]
) -> list[list[int]]:
    """Return the waits that had lasted ``threshold`` ns when the program was interrupted, by site.

    Only those that no idle program is in: a producer whose consumers have all ended, and tasks that
    wait for a condition, if it was only ever notified in functions in which tasks wait for it now.
    A worker that waits for work, or a server that waits to be stopped, may mean it. ``explained``:
    tasks that are left out.
    """
    timeline, waits = snapshot.timeline, snapshot.timeline.waits
    if snapshot.interruption is not None and snapshot.interruption.is_orderly:
        return []
    stuck: dict[int, bool] = {}
    groups: dict[tuple[int, int, int], list[int]] = {}
    for row in waits.open.values():
        kind, subject, task = waits.kind[row], waits.subject[row], waits.task[row]
        if snapshot.now - waits.started[row] < threshold or task in explained:
            continue
        if snapshot.end_of(task) == "ended":
            continue
        if kind in _FOR_CONSUMERS:
            enders = enders_of(snapshot, row)
            if not enders or any(each not in timeline.task_ended for each in enders):
                continue
        elif kind == WaitKind.CONDITION:
            if subject not in stuck:
                stuck[subject] = _all_notifiers_wait(snapshot, subject)
            if not stuck[subject]:
                continue
        else:
            continue
        groups.setdefault((kind, subject, waits.site[row]), []).append(row)
    return [sorted(rows, key=waits.started.__getitem__) for rows in groups.values()]


def _all_notifiers_wait(snapshot: Snapshot, condition: int) -> bool:
    """Return whether tasks wait in every function in which ``condition`` was ever notified."""
    timeline, waits = snapshot.timeline, snapshot.timeline.waits
    notifying: set[tuple[str, str] | None] = set()
    waiting: set[tuple[str, str] | None] = set()
    for row in snapshot.once(_waits_for_conditions)[condition]:
        waker = waits.woken_by[row]
        if waker:
            notifying.add(_entered_in(snapshot, condition, waker, waits.ended[row]))
        elif waits.ended[row] == NOT_YET:
            waiting.add(_function(timeline, waits.site[row]))
    return bool(notifying) and None not in notifying and notifying <= waiting


def _waits_for_conditions(snapshot: Snapshot) -> dict[int, list[int]]:
    """Return condition -> the waits for it, in order."""
    waits = snapshot.timeline.waits
    found: dict[int, list[int]] = {}
    for row, (kind, subject) in enumerate(zip(waits.kind, waits.subject, strict=True)):
        if kind == WaitKind.CONDITION:
            found.setdefault(subject, []).append(row)
    return found


def _entered_in(snapshot: Snapshot, condition: int, task: int, at: int) -> tuple[str, str] | None:
    """Return the function in which ``task`` had entered ``condition`` last by ``at``.

    The condition and its lock may be two resources of one name.
    """
    timeline = snapshot.timeline
    wanted = resource_key(timeline, condition)
    rows = timeline.rows_of_task.get(task, ())
    for index in range(bisect_right(rows, at, key=timeline.enter_started.__getitem__) - 1, -1, -1):
        row = rows[index]
        if resource_key(timeline, timeline.resource[row]) == wanted:
            return _function(timeline, timeline.site[row])
    return None


def _function(timeline: Timeline, site: int) -> tuple[str, str] | None:
    known = timeline.sites.get(site)
    return None if known is None else (known.file, known.function)


def describe_unended(snapshot: Snapshot, rows: list[int]) -> str:
    """Return a sentence: who waits for what, since when, and who could have ended it."""
    waits = snapshot.timeline.waits
    tasks = snapshot.task_names([waits.task[row] for row in rows])
    what = describe_subject(snapshot.timeline, rows[0])
    since = format_duration(snapshot.now - waits.started[rows[0]])
    wait = "wait" if len(rows) > 1 else "waits"
    enders = describe_enders(snapshot, rows[0])
    return (
        f"{tasks} still {wait} for {what} at {snapshot.site_label(waits.site[rows[0]])}, since "
        f"{since}{f' ({enders})' if enders else ''}."
    )
