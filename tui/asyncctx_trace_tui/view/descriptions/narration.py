"""Sentences about one time: who holds, who waits, which events happen."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from asyncctx_trace.analysis.loop_stalls import Stall, describe_line
from asyncctx_trace.analysis.timeline.table import Acquisition, Timeline
from asyncctx_trace.model.durations import format_duration
from asyncctx_trace.model.events import ErrorText, Outcome
from asyncctx_trace.model.names import (
    NAME_WIDTH,
    class_name,
    error_summary,
    resource_name,
    task_name,
)
from asyncctx_trace.model.text import plain
from asyncctx_trace_tui.view.descriptions.wait_text import (
    describe_end,
    describe_length,
    describe_wait,
)
from asyncctx_trace_tui.view.lanes.lane_set import LaneSet

__all__ = [
    "Occupants",
    "events_at",
    "describe_queue",
    "occupants_at",
    "describe",
    "describe_stall",
    "describe_waits",
]

_ASKED = 1_000
"""Lanes that are asked for their waits at a time, within one frame."""
_ERROR_WIDTH = 80
"""The largest width of an error, in cells."""
_LISTED = 4
"""Names in a list before the rest is counted."""

_NOT_ENTERED = {
    Outcome.ERROR: "failed to enter",
    Outcome.CANCELLED: "was cancelled while it waited for",
    Outcome.TIMED_OUT: "ran out of time while it waited for",
}
_LEFT = {
    Outcome.OK: "",
    Outcome.ERROR: ", with an error",
    Outcome.CANCELLED: ", cancelled",
    Outcome.TIMED_OUT: ", out of time",
}
_CLEANED = {
    Outcome.OK: "has cleaned up",
    Outcome.ERROR: "failed to clean up",
    Outcome.CANCELLED: "was cancelled while it cleaned up",
    Outcome.TIMED_OUT: "ran out of time while it cleaned up",
}


@dataclass(slots=True)
class Occupants:
    """The acquisitions of one resource at one time, each list in order of entering."""

    resource: int
    holders: list[Acquisition] = field(default_factory=list)
    cleaners: list[Acquisition] = field(default_factory=list)
    waiters: list[Acquisition] = field(default_factory=list)


def occupants_at(tracks: LaneSet, at: int) -> list[Occupants]:
    """Return the occupants of each resource at the time ``at``, most waiters first."""
    found: dict[int, Occupants] = {}
    timeline = tracks.timeline
    for acquisition in sorted(map(timeline.acquisition, tracks.open_at(at)), key=_last_asked):
        occupants = found.setdefault(acquisition.resource, Occupants(acquisition.resource))
        match acquisition.phase_at(at):
            case "enter":
                occupants.waiters.append(acquisition)
            case "body":
                occupants.holders.append(acquisition)
            case "exit":
                occupants.cleaners.append(acquisition)
    return sorted(
        found.values(), key=lambda occupants: (-len(occupants.waiters), occupants.resource)
    )


def describe(timeline: Timeline, occupants: Occupants, at: int) -> str:
    """Describe who holds, cleans up and waits: ``a holds `x` for 3 ms · b, c wait``."""
    name = f"`{resource_name(timeline, occupants.resource)}`"
    parts = []
    leaving = ("cleans up", "clean up")
    if timeline.is_group(occupants.resource):
        cleaners = occupants.cleaners
        children = _children_left(timeline, cleaners[0], at) if len(cleaners) == 1 else ""
        leaving = (f"waits for {children or 'the children'} of", "wait for the children of")
    for who, verb, plural, since in (
        (occupants.holders, "holds", "hold", _got_in),
        (occupants.cleaners, *leaving, _left),
    ):
        if len(who) == 1:
            length = at - since(who[0])
            time = f" for {format_duration(length)}" if length else ""
            parts.append(f"{task_name(timeline, who[0].task)} {verb} {name}{time}")
        elif who:
            names = [
                f"{task_name(timeline, each.task)} ({format_duration(at - since(each))})"
                for each in who
            ]
            parts.append(f"{_listed(names)} {plural} {name}")
    if occupants.waiters:
        names = [task_name(timeline, each.task) for each in occupants.waiters]
        verb = "waits" if len(names) == 1 else "wait"
        parts.append(f"{_listed(names)} {verb}" + ("" if parts else f" for {name}"))
    return " · ".join(parts)


def _children_left(timeline: Timeline, group: Acquisition, at: int) -> str:
    """Return how many tasks of a group are left, such as ``3 children``; ``""`` if not known."""
    if len(timeline.tasks) > _ASKED:
        return ""
    left = sum(
        known.parent == group.task
        and _got_in(group) <= known.at <= at
        and timeline.task_ended.get(known.task, at + 1) > at
        for known in timeline.tasks.values()
    )
    return "1 child" if left == 1 else f"{left} children" if left else ""


def describe_stall(timeline: Timeline, stall: Stall, at: int) -> str:
    """Describe a stall of an event loop that goes on at the time ``at``."""
    task = stall.started.task
    who = "a callback" if task is None else task_name(timeline, task)
    line = describe_line(timeline, stall.started, NAME_WIDTH)
    since, whole = at - stall.since, stall.until - stall.since
    # On a busy machine the thread of the loop may wait for a processor meanwhile.
    delayed = ", of which it mostly waited for a processor" if 2 * stall.delayed > whole else ""
    times = f"{format_duration(since)} of {format_duration(whole)}{delayed}"
    return f"{who} has blocked the event loop for {times}: {line}"


def describe_waits(tracks: LaneSet, at: int) -> list[str]:
    """Describe who waits for what besides managers, most tasks first.

    Of very many tasks, only the first ones are asked.
    """
    timeline = tracks.timeline
    waits = timeline.waits
    found: dict[tuple[int, ...], list[int]] = {}
    for lane in islice(tracks.lanes.values(), _ASKED):
        wait = waits.at(lane.task, at)
        if wait is not None:
            key = waits.kind[wait], waits.subject[wait], waits.site[wait]
            found.setdefault(key, []).append(wait)
    lines = []
    for alike in sorted(found.values(), key=len, reverse=True):
        names = _listed([task_name(timeline, waits.task[wait]) for wait in alike])
        longest = min(alike, key=waits.started.__getitem__)
        sentence = describe_wait(timeline, longest).removeprefix(
            task_name(timeline, waits.task[longest])
        )
        if len(alike) > 1:
            sentence = sentence.replace("waits", "wait", 1)
        since = format_duration(at - waits.started[longest])
        lines.append(f"{names}{sentence} for {since}")
    return lines


def describe_queue(timeline: Timeline, occupants: Occupants, at: int) -> list[str]:
    """Describe holders and waiters, one line each, in queue order, with durations."""
    lines = [f"`{resource_name(timeline, occupants.resource)}`"]
    of_group = timeline.is_group(occupants.resource)
    for a in occupants.holders:
        held = format_duration(at - _got_in(a))
        lines.append(f"held by {task_name(timeline, a.task)} for {held}")
    for a in occupants.cleaners:
        name = task_name(timeline, a.task)
        if of_group:
            lines.append(f"{name} waits for its children for {format_duration(at - _left(a))}")
        else:
            lines.append(f"cleaned up by {name} for {format_duration(at - _got_in(a))}")
    for position, a in enumerate(occupants.waiters, 1):
        waited = format_duration(at - a.enter_started)
        lines.append(f"{position}. in the queue: {task_name(timeline, a.task)}, for {waited}")
    return lines


def events_at(tracks: LaneSet, at: int) -> Iterator[str]:
    """Describe the events at exactly the time ``at``, one line each."""
    timeline = tracks.timeline
    columns = (
        *(timeline.enter_started, timeline.enter_ended),
        *(timeline.exit_started, timeline.exit_ended),
    )
    for row in tracks.rows_at(at):
        if any(column[row] == at for column in columns):
            yield from _describe_events(timeline, timeline.acquisition(row), at)
    yield from _describe_wait_events(tracks, at)
    for line in timeline.printed[-1:] if timeline.end == at else ():
        if line.at == at:
            yield f"printed: {plain(line.text)}"


def _describe_wait_events(tracks: LaneSet, at: int) -> Iterator[str]:
    timeline = tracks.timeline
    waits = timeline.waits
    first = bisect_left(waits.started, at)
    for wait in range(first, min(bisect_right(waits.started, at), first + _LISTED)):
        yield describe_wait(timeline, wait)
    for lane in islice(tracks.lanes.values(), _ASKED):
        ended = waits.at(lane.task, at - 1)
        if ended is not None and waits.ended[ended] == at:
            length = describe_length(timeline, ended, at)
            ending = describe_end(timeline, ended)
            yield f"{task_name(timeline, lane.task)} goes on after {length}, {ending}"


def _describe_events(timeline: Timeline, a: Acquisition, at: int) -> Iterator[str]:
    who = task_name(timeline, a.task)
    what = f"`{resource_name(timeline, a.resource)}`"
    if a.enter_started == at:
        yield f"{who} asks for {what}"
    if a.enter_ended == at:
        waited = format_duration(at - a.enter_started)
        if a.entered:
            yield f"{who} gets {what} after {waited}"
        elif a.enter_outcome is not None:
            why = _error(a.enter_error, ": ")
            yield f"{who} {_NOT_ENTERED[a.enter_outcome]} {what} after {waited}{why}"
    if timeline.is_group(a.resource):
        yield from _describe_group_events(timeline, a, at)
        return
    if a.exit_started == at and a.body_outcome is not None:
        held = format_duration(at - _got_in(a))
        by = task_name(timeline, a.exit_task)
        why = _error(a.body_error, ", with ") or _LEFT[a.body_outcome]
        yield f"{by} leaves {what} after {held}{why}"
    if a.exit_ended == at and a.exit_outcome is not None:
        took = format_duration(at - _left(a))
        by = task_name(timeline, a.exit_task)
        suppressed = " and suppressed the error" if a.suppressed else ""
        why = _error(a.exit_error, ": ")
        yield f"{by} {_CLEANED[a.exit_outcome]} {what} in {took}{suppressed}{why}"


def _error(error: ErrorText | None, lead: str) -> str:
    """Return an error with its text, after ``lead``; nothing for a cancellation."""
    if error is None or class_name(error.type) in ("CancelledError", "Cancelled"):
        return ""
    return lead + error_summary(error, _ERROR_WIDTH)


def _describe_group_events(timeline: Timeline, a: Acquisition, at: int) -> Iterator[str]:
    """The exit of a task group is no cleanup: it waits for the tasks of the group."""
    by = task_name(timeline, a.exit_task)
    what = f"the children of `{resource_name(timeline, a.resource)}`"
    if a.exit_started == at and a.exit_ended != at:
        yield f"{by} waits for {what}"
    if a.exit_ended == at and a.exit_outcome is not None:
        yield f"{by} has waited for {what} for {format_duration(at - _left(a))}"


def _last_asked(acquisition: Acquisition) -> int:
    return acquisition.enter_started


def _got_in(acquisition: Acquisition) -> int:
    return acquisition.enter_ended or acquisition.enter_started


def _left(acquisition: Acquisition) -> int:
    return acquisition.exit_started or _got_in(acquisition)


def _listed(names: Sequence[str] | Iterable[str]) -> str:
    names = list(names)
    if len(names) > _LISTED + 1:
        names = [*names[:_LISTED], f"{len(names) - _LISTED} more"]
    return ", ".join(names)
