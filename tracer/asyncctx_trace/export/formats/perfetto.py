"""Write a recording as the trace events that Perfetto's UI and chrome://tracing open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from heapq import merge
from typing import Any

from asyncctx_trace.analysis.contention.wakeups import wakeups
from asyncctx_trace.analysis.loop_stalls import Stall, describe_line, stalls_of
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import NOT_YET, Acquisition, Phase, Timeline
from asyncctx_trace.analysis.wait_subjects import describe_subject
from asyncctx_trace.model import conventions as names
from asyncctx_trace.model.command_line import without_arguments
from asyncctx_trace.model.names import task_name
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind

__all__ = ["write"]

_GRID = 125
"""Times are rounded down to 125 ns, an eighth of a µs. Viewers represent that exactly, so slices
that touch or nest in ns do so in the viewer as well."""
_PHASES: tuple[Phase, ...] = ("enter", "body", "exit")
_GROUP = "task group"
"""The kind of resource whose exit waits for tasks."""
_Event = dict[str, Any]


def write(timeline: Timeline, *, arguments: bool = False, waits: bool = True) -> Iterator[str]:
    """Yield the document in chunks, one for each trace event.

    Times are relative to the first event. With ``arguments``, command lines include those of the
    programs, which may contain secrets. ``waits``: whether waits for other things than managers are
    slices, with an arrow from the task that ended each.
    """
    writer = _Writer(timeline, arguments, waits)
    yield '{"displayTimeUnit":"ns","traceEvents":['
    for number, event in enumerate(writer.events()):
        yield (",\n" if number else "\n") + json.dumps(event, separators=(",", ":"))
    yield "\n]}\n"


class _Writer:
    def __init__(self, timeline: Timeline, arguments: bool, waits: bool) -> None:
        self._timeline = timeline
        self._arguments = arguments
        self._waits = waits
        self._start = timeline.start or 0
        self._now = timeline.end or 0
        self._pid = {number: p.pid for number, p in timeline.processes.items()}
        # Viewers keep 32 bits of a thread's id, so ids of tasks cannot be used.
        self._tid = {task: number for number, task in enumerate(self._tasks(), 1)}
        self._flow_out: dict[int, int] = {}
        """Row whose exit unblocked another acquisition -> id of the arrow."""
        self._flow_in: dict[int, int] = {}
        """Row whose wait was ended by that exit -> id of the arrow."""
        for unblocked, by in wakeups(Snapshot(timeline)).items():
            self._flow_in[unblocked] = self._flow_out[by] = len(self._flow_in) + 1

    def events(self) -> Iterator[_Event]:
        """Yield the names of tracks, then the tracks one after the other, in order of time."""
        yield from self._tracks()
        for task in self._tid:
            yield from self._lane(task)
        if self._waits:
            yield from self._wake_ups()
        for stall in stalls_of(self._timeline, self._now):
            yield from self._stall(stall)
        for mark in self._timeline.marks:
            where = {"pid": next(iter(self._pid.values()), 0), "tid": 0}
            yield {"ph": "i", "s": "g", "name": mark.text, "ts": self._ts(mark.at), **where}

    def _tasks(self) -> list[int]:
        timeline = self._timeline
        waits = timeline.waits
        seen = dict.fromkeys([*timeline.rows_of_task, *timeline.tasks, *waits.rows_of_task])
        firsts = {
            task: min(
                [timeline.enter_started[row] for row in timeline.rows_of_task.get(task, ())[:1]]
                + [waits.started[row] for row in waits.rows_of_task.get(task, ())[:1]]
                + ([timeline.tasks[task].at] if task in timeline.tasks else [])
            )
            for task in seen
        }
        return sorted(seen, key=lambda task: (firsts[task], task))

    def _where(self, task: int) -> dict[str, int]:
        known = self._timeline.tasks.get(task)
        return {"pid": self._pid.get(known.process if known else 0, 0), "tid": self._tid[task]}

    def _tracks(self) -> Iterator[_Event]:
        for number, process in self._timeline.processes.items():
            where = {"pid": process.pid, "tid": 0}
            yield _metadata("process_name", where, name=self._name(process.title))
            yield _metadata("process_sort_index", where, sort_index=number)
        for task, order in self._tid.items():
            where = self._where(task)
            name = task_name(self._timeline, task, None)
            yield _metadata("thread_name", where, name=name)
            yield _metadata("thread_sort_index", where, sort_index=order)

    def _name(self, title: str) -> str:
        return title if self._arguments else without_arguments(title)

    def _lane(self, task: int) -> Iterator[_Event]:
        """Yield the track of a task: slices where they nest, asynchronous ones elsewhere.

        What begins in a phase of an acquisition nests if it also ends in that phase.
        """
        around: list[tuple[int, Acquisition | None]] = []  # end, and the acquisition unless a wait
        for start, is_wait, row in self._rows(task):
            acquisition = None if is_wait else self._timeline.acquisition(row)
            end = self._bounds(acquisition)[1] if acquisition else self._wait_bounds(row)[1]
            while around and around[-1][0] <= start:
                around.pop()
            nests = not around or end <= self._end_within(around[-1], start)
            if nests:
                around.append((end, acquisition))
            if acquisition is None:
                yield from self._wait(row, nests)
            else:
                yield from (self._nested if nests else self._asynchronous)(acquisition)

    def _rows(self, task: int) -> Iterator[tuple[int, bool, int]]:
        """Yield start, whether it is a wait, and row of what a task does, in order of time."""
        timeline = self._timeline
        acquired = timeline.rows_of_task.get(task, ())
        rows = ((timeline.enter_started[row], False, row) for row in acquired)
        if not self._waits:
            return rows
        waited = timeline.waits.rows_of_task.get(task, ())
        return merge(rows, ((timeline.waits.started[row], True, row) for row in waited))

    def _end_within(self, outer: tuple[int, Acquisition | None], at: int) -> int:
        end, acquisition = outer
        return end if acquisition is None else self._end_of_phase(acquisition, at)

    # -- waits and stalls -------------------------------------------------------------------

    def _wait_bounds(self, wait: int) -> tuple[int, int]:
        started, ended = self._timeline.waits.started[wait], self._timeline.waits.ended[wait]
        return started, max(started, self._now) if ended == NOT_YET else ended

    def _wait(self, wait: int, nests: bool) -> Iterator[_Event]:
        """Yield the slice of a wait for something other than a manager."""
        timeline = self._timeline
        waits = timeline.waits
        start, end = self._wait_bounds(wait)
        site = timeline.sites.get(waits.site[wait])
        args: dict[str, Any] = {"kind": WaitKind(waits.kind[wait]).label, "ns": end - start}
        if site is not None:
            args["site"] = f"{site.file}:{site.line}"
        if waits.ended[wait] == NOT_YET:
            args["unfinished"] = True
        else:
            args["outcome"] = names.OUTCOMES[Outcome(waits.outcome[wait])]
        if waits.woken_by[wait]:
            args["woken by"] = task_name(timeline, waits.woken_by[wait], None)
        where = self._where(waits.task[wait]) | {"cat": "wait"}
        event: _Event = {"name": f"waits for {describe_subject(timeline, wait)}", **where}
        if nests:
            length = self._ts(end) - self._ts(start)
            yield {"ph": "X", **event, "ts": self._ts(start), "dur": length, "args": args}
            return
        event["id2"] = {"local": hex(waits.id[wait])}
        yield {"ph": "b", **event, "ts": self._ts(start), "args": args}
        yield {"ph": "e", **event, "ts": self._ts(end)}

    def _wake_ups(self) -> Iterator[_Event]:
        """Yield an arrow for each wait that a task ended, between two slices without a duration."""
        timeline = self._timeline
        waits = timeline.waits
        number = len(self._flow_in)
        for wait, waker in enumerate(waits.woken_by):
            if waker not in self._tid or waits.ended[wait] == NOT_YET:
                continue
            number += 1
            waiter = waits.task[wait]
            shown = {"ph": "X", "cat": "wait", "ts": self._ts(waits.ended[wait]), "dur": 0}
            shown["bind_id"] = hex(number)
            name = f"wakes {task_name(timeline, waiter, None)}"
            yield {**shown, "name": name, **self._where(waker), "flow_out": True}
            name = f"woken by {task_name(timeline, waker, None)}"
            yield {**shown, "name": name, **self._where(waiter), "flow_in": True}

    def _stall(self, stall: Stall) -> Iterator[_Event]:
        """Yield the stall of an event loop, on a track of the process."""
        timeline, started = self._timeline, stall.started
        where = {"pid": next(iter(self._pid.values()), 0), "tid": 0}
        args: dict[str, Any] = {"line": describe_line(timeline, started), "ns": stall.length}
        if started.task is not None:
            where["pid"] = self._where(started.task)["pid"] if started.task in self._tid else 0
            args["task"] = task_name(timeline, started.task, None)
        args["stack"] = [f"{file}:{line} {function}" for file, line, function in started.stack]
        event: _Event = {"cat": "stall", "name": "event loop blocked", **where}
        event["id2"] = {"local": hex(started.stall)}
        yield {"ph": "b", **event, "ts": self._ts(stall.since), "args": args}
        yield {"ph": "e", **event, "ts": self._ts(stall.until)}

    # -- acquisitions -----------------------------------------------------------------------

    def _end_of_phase(self, acquisition: Acquisition, at: int) -> int:
        """Return the end of the phase of ``acquisition`` that is running at ``at``."""
        for phase in _PHASES:
            bounds = acquisition.span_of(phase, self._now)
            if bounds is not None and bounds[0] <= at < bounds[1]:
                return bounds[1]
        return self._bounds(acquisition)[1]

    def _nested(self, acquisition: Acquisition) -> Iterator[_Event]:
        where = self._where(acquisition.task)
        for name, (start, end), args, phase in self._slices(acquisition):
            event = {"ph": "X", "cat": "async with", "name": name, **where}
            event |= {"ts": self._ts(start), "dur": self._ts(end) - self._ts(start), "args": args}
            # An arrow must point forward in time: from the exit to the body after the wait.
            flows = {"exit": self._flow_out, "body": self._flow_in}
            flow = flows.get(phase, {}).get(acquisition.row)
            if flow is not None:
                event["bind_id"] = hex(flow)
                event["flow_out" if phase == "exit" else "flow_in"] = True
            yield event

    def _asynchronous(self, acquisition: Acquisition) -> Iterator[_Event]:
        where = self._where(acquisition.task) | {
            "cat": "async with",
            "id2": {"local": hex(acquisition.id)},
        }
        (name, (start, end), args, _), *phases = self._slices(acquisition)
        yield {"ph": "b", "name": name, **where, "ts": self._ts(start), "args": args}
        for phase, (started, ended), phase_args, _ in phases:
            yield {
                "ph": "b",
                "name": phase,
                **where,
                "ts": self._ts(started),
                "args": phase_args,
            }
            yield {"ph": "e", "name": phase, **where, "ts": self._ts(ended)}
        yield {"ph": "e", "name": name, **where, "ts": self._ts(end)}

    def _slices(
        self, acquisition: Acquisition
    ) -> Iterator[tuple[str, tuple[int, int], dict[str, Any], str]]:
        """Yield name, start and end (ns), arguments, and phase: the whole, then its phases."""
        timeline = self._timeline
        resource = timeline.resources.get(acquisition.resource)
        site = timeline.sites.get(acquisition.site)
        args: dict[str, Any] = {"acquisition": acquisition.id, "manager": acquisition.manager}
        if resource is not None:
            args["kind"] = resource.kind
        if site is not None:
            args["site"] = f"{site.file}:{site.line}"
        if acquisition.ended is None:
            args["unfinished"] = True
        name = resource.name if resource is not None else acquisition.manager
        yield name, self._bounds(acquisition), args, names.LIFECYCLE
        outcomes = (acquisition.enter_outcome, acquisition.body_outcome, acquisition.exit_outcome)
        errors = (acquisition.enter_error, acquisition.body_error, acquisition.exit_error)
        for phase, outcome, error in zip(_PHASES, outcomes, errors, strict=True):
            bounds = acquisition.span_of(phase, self._now)
            if bounds is not None:
                phase_args: dict[str, Any] = {"ns": bounds[1] - bounds[0]}
                if outcome is not None:
                    phase_args["outcome"] = names.OUTCOMES[outcome]
                if error is not None:
                    phase_args["error"] = f"{error.type}: {error.message}"
                is_group = phase == "exit" and resource is not None and resource.kind == _GROUP
                yield ("children" if is_group else phase), bounds, phase_args, phase

    def _bounds(self, acquisition: Acquisition) -> tuple[int, int]:
        ended = acquisition.ended
        start = acquisition.enter_started
        return start, max(start, self._now) if ended is None else ended

    def _ts(self, at: int) -> float:
        return (at - self._start) // _GRID * _GRID / 1000


def _metadata(kind: str, where: dict[str, int], **args: object) -> _Event:
    return {"ph": "M", "name": kind, **where, "args": args}
