"""What a program was doing when it was ended from outside."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from asyncctx_trace.analysis.deadlocks.cycles import cycles_of
from asyncctx_trace.analysis.deadlocks.enders import describe_enders
from asyncctx_trace.analysis.findings.finding import by_site
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.completeness import recording_stops
from asyncctx_trace.analysis.timeline.table import NOT_YET, Phase
from asyncctx_trace.analysis.wait_subjects import describe_subject
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.waits import WaitKind

__all__ = ["PendingWait", "describe_last_moment", "ended_by", "pending_waits"]

_ASKS = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK")
"""Signals that a program may handle."""

_SHOWN = 3
"""The number of waits that are described; the others are counted."""


@dataclass(frozen=True, slots=True)
class PendingWait:
    """Tasks that waited at the end, for one resource at one site."""

    rows: tuple[int, ...]
    """The acquisitions, the longest wait first."""
    phase: Phase
    """``enter``, or ``exit`` if they waited for their cleanup."""
    since: int
    """When the first one started to wait (monotonic ns)."""
    holders: tuple[int, ...]
    """The rows that held the resource, in order of entering; empty for an exit."""


def ended_by(snapshot: Snapshot) -> str | None:
    """Return how the program was ended: the name of a signal, or ``KeyboardInterrupt``.

    ``killed`` if the recording just ends, ``stopped`` if it stopped before the program ended (the
    disk was full, or the recorder failed), ``None`` if the program ended by itself or still runs.
    """
    if snapshot.interruption is not None:
        return snapshot.interruption.reason
    timeline = snapshot.timeline
    if recording_stops(timeline):
        return "stopped"
    if snapshot.running:
        return None
    for task in (*timeline.rows_of_task, *timeline.waits.rows_of_task):
        if snapshot.end_of(task) != "killed":
            continue
        definition = (
            timeline.processes.get(timeline.tasks[task].process) if task in timeline.tasks else None
        )
        for ended in timeline.process_ended:
            if (
                definition is not None
                and ended.pid == definition.pid
                and (ended.exit_code or 0) < 0
            ):
                return _signal_name(-(ended.exit_code or 0))
        return "killed"
    return None


def pending_waits(snapshot: Snapshot) -> list[PendingWait]:
    """Return who waits at ``snapshot.now``, those in a deadlock first, then by duration."""
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
    stuck = {row for cycle in snapshot.once(cycles_of) for row in cycle.waits}
    return sorted(waits, key=lambda wait: (stuck.isdisjoint(wait.rows), wait.since))


def describe_last_moment(snapshot: Snapshot) -> str:
    """Describe who waited for what, and who held it; ``""`` if the program ended by itself."""
    cause = ended_by(snapshot)
    timeline = snapshot.timeline
    if cause is None or not (len(timeline) or len(timeline.waits)):
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
    awaits = _describe_awaits(snapshot)
    if not waits and not awaits:
        return f"{ended}; at that moment no task waited."
    sentences = [_describe(snapshot, wait) for wait in waits[:_SHOWN]]
    sentences += awaits[: _SHOWN - len(sentences)]
    left = len(waits) + len(awaits) - len(sentences)
    return f"{ended}; at that moment: {'; '.join(sentences)}" + (
        f"; and {left} more." if left else "."
    )


def _describe_awaits(snapshot: Snapshot) -> list[str]:
    """Who waited for other things than managers, by site; what ends by itself comes last."""
    waits = snapshot.timeline.waits
    groups: dict[tuple[int, int, int], list[int]] = {}
    for row in waits.open.values():
        groups.setdefault((waits.kind[row], waits.subject[row], waits.site[row]), []).append(row)
    sentences = []
    for rows in sorted(groups.values(), key=lambda rows: _ends_by_itself(waits.kind[rows[0]])):
        first = min(rows, key=waits.started.__getitem__)
        tasks = snapshot.task_names([waits.task[row] for row in rows], most=2)
        waited = format_duration(snapshot.now - waits.started[first])
        subject = describe_subject(snapshot.timeline, first)
        place = snapshot.site_label(waits.site[first])
        enders = describe_enders(snapshot, first)
        who = f" ({enders})" if enders else ""
        sentences.append(f"{tasks} waited for {subject} at {place} for {waited}{who}")
    return sentences


def _ends_by_itself(kind: int) -> bool:
    return kind in (WaitKind.SLEEP, WaitKind.IO, WaitKind.THREAD)


def _describe(snapshot: Snapshot, wait: PendingWait) -> str:
    timeline = snapshot.timeline
    first = wait.rows[0]
    who = timeline.task if wait.phase == "enter" else timeline.exit_task
    tasks = snapshot.task_names(list(dict.fromkeys(who[row] for row in wait.rows)), most=2)
    doing = "waited for" if wait.phase == "enter" else "was in the exit of"
    duration = format_duration(snapshot.now - wait.since)
    sentence = f"{tasks} {doing} {snapshot.acquisition_label(first)} for {duration}"
    if not wait.holders:
        return sentence
    hold = wait.holders[0]
    holder = snapshot.holder(hold, snapshot.now)
    itself = holder == timeline.task[first]
    name = "itself" if itself else snapshot.task_name(holder)
    gone = ", which is gone" if holder in timeline.task_ended and not itself else ""
    more = f" and {len(wait.holders) - 1} more" if len(wait.holders) > 1 else ""
    held = format_duration(snapshot.now - timeline.enter_ended[hold])
    taken = snapshot.site_label(timeline.site[hold])
    return f"{sentence}, held by {name}{gone} for {held} (taken at {taken}){more}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
