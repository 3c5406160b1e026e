"""Waits for other things than managers that nobody seems to be left to end."""

from __future__ import annotations

from collections.abc import Collection

from asyncctx_trace.analysis.deadlocks.enders import describe_enders, enders_of
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.wait_subjects import describe_subject
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.waits import WaitKind

__all__ = ["describe_unended", "unended_waits"]

_FOR_CONSUMERS = frozenset({WaitKind.QUEUE_JOIN, WaitKind.QUEUE_PUT, WaitKind.SEND})
_AMONG_PEERS = frozenset({WaitKind.CONDITION, WaitKind.BARRIER})


def unended_waits(
    snapshot: Snapshot, threshold: int, explained: Collection[int]
) -> list[list[int]]:
    """Return the waits that had lasted ``threshold`` ns when the program was interrupted, by site.

    Only those that no idle program is in: a producer whose consumers have all ended, and tasks that
    notify each other, and of which all that are left wait. A worker that waits for work, or a
    server that waits to be stopped, may mean it. ``explained``: tasks that are left out.
    """
    timeline, waits = snapshot.timeline, snapshot.timeline.waits
    if snapshot.interruption is not None and snapshot.interruption.is_orderly:
        return []
    waiting: dict[tuple[int, int], set[int]] = {}
    for row in waits.open.values():
        waiting.setdefault((waits.kind[row], waits.subject[row]), set()).add(waits.task[row])
    groups: dict[tuple[int, int, int], list[int]] = {}
    for row in waits.open.values():
        kind, subject, task = waits.kind[row], waits.subject[row], waits.task[row]
        if snapshot.now - waits.started[row] < threshold or task in explained:
            continue
        if snapshot.end_of(task) == "ended":
            continue
        enders = set(enders_of(snapshot, row))
        left = {each for each in enders if each not in timeline.task_ended}
        if (kind in _FOR_CONSUMERS and enders and not left) or (
            kind in _AMONG_PEERS and left and left <= waiting[kind, subject]
        ):
            groups.setdefault((kind, subject, waits.site[row]), []).append(row)
    return [sorted(rows, key=waits.started.__getitem__) for rows in groups.values()]


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
