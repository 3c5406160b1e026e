"""What a program that did not end by itself was doing at its last moment."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from asyncctx_trace.analysis.deadlocks.cycles import cycles_of
from asyncctx_trace.analysis.findings.finding import by_site
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.completeness import recording_stops
from asyncctx_trace.analysis.timeline.table import NOT_YET, Phase
from asyncctx_trace.model.durations import format_duration

__all__ = ["PendingWait", "describe_last_moment", "ended_by", "pending_waits"]

_ASKS = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK")
"""Signals that a program may answer in its own way."""

_SHOWN = 3
"""Waits that the sentence tells; the others are counted."""


@dataclass(frozen=True, slots=True)
class PendingWait:
    """Tasks that waited at the last moment, for one resource at one site."""

    rows: tuple[int, ...]
    """Their acquisitions, the longest wait first."""
    phase: Phase
    """``enter``; ``exit`` where they waited for their cleanup to end."""
    since: int
    """When the first one began to wait (monotonic ns)."""
    holders: tuple[int, ...]
    """Rows that held the resource, in order of getting in; empty for an exit."""


def ended_by(snapshot: Snapshot) -> str | None:
    """How the program was ended from outside: the name of a signal, ``KeyboardInterrupt``.

    ``killed`` where the recording just ends, ``stopped`` where it stopped before the program ended
    (the disk was full, or the recorder failed), ``None`` where the program ended by itself or runs.
    """
    if snapshot.interruption is not None:
        return snapshot.interruption.reason
    timeline = snapshot.timeline
    if recording_stops(timeline):
        return "stopped"
    if snapshot.running:
        return None
    for task in timeline.rows_of_task:
        if snapshot.end_of(task) != "killed":
            continue
        known = (
            timeline.processes.get(timeline.tasks[task].process) if task in timeline.tasks else None
        )
        for ended in timeline.process_ended:
            if known is not None and ended.pid == known.pid and (ended.exit_code or 0) < 0:
                return _signal_name(-(ended.exit_code or 0))
        return "killed"
    return None


def pending_waits(snapshot: Snapshot) -> list[PendingWait]:
    """Who waits at ``snapshot.now``: those in a deadlock first, then the longest wait first."""
    timeline = snapshot.timeline
    waits: list[PendingWait] = []
    phases: dict[Phase, list[int]] = {"enter": [], "exit": []}
    for row in timeline.in_flight:
        if timeline.enter_ended[row] == NOT_YET:
            phases["enter"].append(row)
        elif timeline.exit_started[row] != NOT_YET and not snapshot.abandoned(row):
            phases["exit"].append(row)
    for phase, rows in phases.items():
        began = timeline.enter_started if phase == "enter" else timeline.exit_started
        for (resource, _), group in by_site(snapshot, rows).items():
            group.sort(key=began.__getitem__)
            holders = snapshot.holders(resource, snapshot.now) if phase == "enter" else []
            waits.append(PendingWait(tuple(group), phase, began[group[0]], tuple(holders)))
    stuck = {row for ring in snapshot.once(cycles_of) for row in ring.waits}
    return sorted(waits, key=lambda wait: (stuck.isdisjoint(wait.rows), wait.since))


def describe_last_moment(snapshot: Snapshot) -> str:
    """Who waited for what, held by whom, since when; ``""`` for a program that ended by itself."""
    cause = ended_by(snapshot)
    if cause is None or not len(snapshot.timeline):
        return ""
    after = format_duration(snapshot.now - snapshot.start)
    ended = {
        "killed": f"The recording ends after {after} without an end of the program",
        "stopped": f"The recording stops after {after}, before the program ended",
        "KeyboardInterrupt": f"Interrupted by Ctrl-C (KeyboardInterrupt) after {after}",
        "SIGINT": f"Interrupted by Ctrl-C (SIGINT) after {after}",
        "SIGKILL": f"Killed (SIGKILL) after {after}",
    }.get(cause, f"{'Interrupted' if cause in _ASKS else 'Ended'} by {cause} after {after}")
    waits = pending_waits(snapshot)
    if not waits:
        return f"{ended}; at that moment no task waited to enter or to exit."
    said = [_describe(snapshot, wait) for wait in waits[:_SHOWN]]
    left = len(waits) - len(said)
    return f"{ended}; at that moment: {'; '.join(said)}" + (f"; and {left} more." if left else ".")


def _describe(snapshot: Snapshot, wait: PendingWait) -> str:
    timeline = snapshot.timeline
    first = wait.rows[0]
    who = timeline.task if wait.phase == "enter" else timeline.exit_task
    tasks = snapshot.tasks(list(dict.fromkeys(who[row] for row in wait.rows)), most=2)
    doing = "waited for" if wait.phase == "enter" else "was in the exit of"
    words = (
        f"{tasks} {doing} {snapshot.where(first)} for {format_duration(snapshot.now - wait.since)}"
    )
    if not wait.holders:
        return words
    hold = wait.holders[0]
    holder = snapshot.holder(hold, snapshot.now)
    itself = holder == timeline.task[first]
    name = "itself" if itself else snapshot.task(holder)
    gone = ", which is gone" if holder in timeline.task_ended and not itself else ""
    more = f" and {len(wait.holders) - 1} more" if len(wait.holders) > 1 else ""
    held = format_duration(snapshot.now - timeline.enter_ended[hold])
    taken = snapshot.place(timeline.site[hold])
    return f"{words}, held by {name}{gone} for {held} (taken at {taken}){more}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
