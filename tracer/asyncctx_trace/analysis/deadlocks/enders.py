"""The tasks that could end a wait, judged by who ended such waits before."""

from __future__ import annotations

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.model.waits import WaitKind

__all__ = ["describe_enders", "enders_of"]

_KIND_OF_PEERS = {
    WaitKind.QUEUE_GET: WaitKind.QUEUE_PUT,
    WaitKind.QUEUE_PUT: WaitKind.QUEUE_GET,
    WaitKind.QUEUE_JOIN: WaitKind.QUEUE_GET,
    WaitKind.RECEIVE: WaitKind.SEND,
    WaitKind.SEND: WaitKind.RECEIVE,
    WaitKind.BARRIER: WaitKind.BARRIER,
}
"""Kind of a wait -> that of the waits in which those who end it may be."""
_PHRASES = {
    WaitKind.QUEUE_GET: "items came from",
    WaitKind.QUEUE_PUT: "items were taken by",
    WaitKind.QUEUE_JOIN: "items were taken by",
    WaitKind.RECEIVE: "items came from",
    WaitKind.SEND: "items were taken by",
    WaitKind.EVENT: "so far set by",
    WaitKind.CONDITION: "so far notified by",
    WaitKind.BARRIER: "so far there:",
    WaitKind.LOCK: "so far released by",
}


def enders_of(snapshot: Snapshot, wait: int) -> list[int]:
    """Return the tasks that ended waits for the same thing before, or that waited at its other end.

    Such as the producers of a queue so far. Empty if none is known, or for a wait for tasks.
    """
    waits = snapshot.timeline.waits
    kind = WaitKind(waits.kind[wait])
    if not waits.subject[wait] or kind not in _PHRASES:
        return []
    found: dict[int, None] = {}
    for row in snapshot.once(_by_subject).get(waits.subject[wait], ()):
        if waits.kind[row] == kind and waits.woken_by[row]:
            found[waits.woken_by[row]] = None
        if waits.kind[row] == _KIND_OF_PEERS.get(kind):
            found[waits.task[row]] = None
    found.pop(waits.task[wait], None)
    return list(found)


def describe_enders(snapshot: Snapshot, wait: int) -> str:
    """Return who could end a wait, such as ``items came from producer, which has ended``.

    Empty if nobody is known.
    """
    enders = enders_of(snapshot, wait)
    if not enders:
        return ""
    ended = snapshot.timeline.task_ended
    here = [task for task in enders if task not in ended]
    gone = "" if here else f", which {'has' if len(enders) == 1 else 'have'} ended"
    phrase = _PHRASES[WaitKind(snapshot.timeline.waits.kind[wait])]
    return f"{phrase} {snapshot.task_names(here or enders, most=2)}{gone}"


def _by_subject(snapshot: Snapshot) -> dict[int, list[int]]:
    """Return resource -> the waits for it."""
    waits = snapshot.timeline.waits
    result: dict[int, list[int]] = {}
    for row, (subject, kind) in enumerate(zip(waits.subject, waits.kind, strict=True)):
        if subject and kind in _PHRASES:
            result.setdefault(subject, []).append(row)
    return result
