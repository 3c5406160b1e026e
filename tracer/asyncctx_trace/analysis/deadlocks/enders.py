"""The tasks that could end a wait, judged by who ended such waits before."""

from __future__ import annotations

from collections import defaultdict

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.model.waits import WaitKind

__all__ = ["describe_enders", "enders_of"]

_ENDS = {
    WaitKind.QUEUE_PUT: (WaitKind.QUEUE_GET,),
    WaitKind.QUEUE_GET: (WaitKind.QUEUE_PUT, WaitKind.QUEUE_JOIN),
    WaitKind.SEND: (WaitKind.RECEIVE,),
    WaitKind.RECEIVE: (WaitKind.SEND,),
    WaitKind.BARRIER: (WaitKind.BARRIER,),
}
"""Kind of a wait -> those of the waits at the other end, which its task may end."""
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
    known = snapshot.once(_enders).get((waits.subject[wait], waits.kind[wait]), ())
    return [task for task in known if task != waits.task[wait]]


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


def _enders(snapshot: Snapshot) -> dict[tuple[int, int], dict[int, None]]:
    """Return resource and kind of waits -> the tasks that could end them, as an ordered set."""
    waits = snapshot.timeline.waits
    result: dict[tuple[int, int], dict[int, None]] = defaultdict(dict)
    for subject, kind, task, waker in zip(
        waits.subject, waits.kind, waits.task, waits.woken_by, strict=True
    ):
        if not subject or kind not in _PHRASES:
            continue
        if waker:
            result[subject, kind][waker] = None
        for ended in _ENDS.get(WaitKind(kind), ()):
            result[subject, ended][task] = None
    return result
