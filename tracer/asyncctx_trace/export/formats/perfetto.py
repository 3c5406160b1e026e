"""Facts -> the trace events that Perfetto's UI and chrome://tracing open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from asyncctx_trace.analysis.contention.wakeups import wakeups
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import Acquisition, Phase, Timeline
from asyncctx_trace.model import conventions as names
from asyncctx_trace.model.names import task_name

__all__ = ["write"]

_GRID = 125
"""Times are rounded down to 125 ns: an eighth of a µs is exact in a double, so that slices that
touch or nest in ns do so after the viewer's arithmetic, too."""
_PHASES: tuple[Phase, ...] = ("enter", "body", "exit")
_Event = dict[str, Any]


def write(timeline: Timeline) -> Iterator[str]:
    """The document in pieces, an event in each; times are relative to the first."""
    writer = _Writer(timeline)
    yield '{"displayTimeUnit":"ns","traceEvents":['
    for number, event in enumerate(writer.events()):
        yield (",\n" if number else "\n") + json.dumps(event, separators=(",", ":"))
    yield "\n]}\n"


class _Writer:
    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._start = timeline.start or 0
        self._now = timeline.end or 0
        self._pid = {number: p.pid for number, p in timeline.processes.items()}
        # Viewers keep 32 bits of a thread's id, and its process's main thread apart by it.
        self._tid = {task: number for number, task in enumerate(self._tasks(), 1)}
        self._wakes: dict[int, int] = {}
        self._woken: dict[int, int] = {}
        for woken, waker in wakeups(Snapshot(timeline)).items():
            self._woken[woken] = self._wakes[waker] = len(self._woken) + 1

    def events(self) -> Iterator[_Event]:
        """Names of tracks first, then every track by itself, in order of time."""
        yield from self._tracks()
        for task in self._tid:
            yield from self._lane(task)
        for mark in self._timeline.marks:
            where = {"pid": next(iter(self._pid.values()), 0), "tid": 0}
            yield {"ph": "i", "s": "g", "name": mark.text, "ts": self._ts(mark.at), **where}

    def _tasks(self) -> list[int]:
        timeline = self._timeline
        seen = dict.fromkeys(timeline.rows_of_task) | dict.fromkeys(timeline.tasks)
        firsts = {
            task: min(
                [timeline.enter_started[row] for row in timeline.rows_of_task.get(task, ())[:1]]
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
            yield _metadata("process_name", where, name=process.title)
            yield _metadata("process_sort_index", where, sort_index=number)
        for task, order in self._tid.items():
            where = self._where(task)
            name = task_name(self._timeline, task, None)
            yield _metadata("thread_name", where, name=name)
            yield _metadata("thread_sort_index", where, sort_index=order)

    def _lane(self, task: int) -> Iterator[_Event]:
        """One task: slices where they nest, asynchronous ones where they overlap in part."""
        ends: list[int] = []
        for row in self._timeline.rows_of_task.get(task, ()):
            acquisition = self._timeline.acquisition(row)
            start, end = self._bounds(acquisition)
            while ends and ends[-1] <= start:
                ends.pop()
            if ends and end > ends[-1]:
                yield from self._asynchronous(acquisition)
            else:
                ends.append(end)
                yield from self._nested(acquisition)

    def _nested(self, acquisition: Acquisition) -> Iterator[_Event]:
        where = self._where(acquisition.task)
        for name, (start, end), said, phase in self._slices(acquisition):
            event = {"ph": "X", "cat": "async with", "name": name, **where}
            event |= {"ts": self._ts(start), "dur": self._ts(end) - self._ts(start), "args": said}
            # An arrow has to point forward: from the cleanup that let go to the body that the
            # wait led to, which begins where that enter ends.
            flow = {"exit": self._wakes, "body": self._woken}.get(phase, {}).get(acquisition.row)
            if flow is not None:
                event["bind_id"] = hex(flow)
                event["flow_out" if phase == "exit" else "flow_in"] = True
            yield event

    def _asynchronous(self, acquisition: Acquisition) -> Iterator[_Event]:
        where = self._where(acquisition.task) | {
            "cat": "async with",
            "id2": {"local": hex(acquisition.id)},
        }
        slices = list(self._slices(acquisition))
        whole, phases = slices[0], slices[1:]
        for name, (start, _), said, _ in [whole]:
            yield {"ph": "b", "name": name, **where, "ts": self._ts(start), "args": said}
        for name, (start, end), said, _ in phases:
            yield {"ph": "b", "name": name, **where, "ts": self._ts(start), "args": said}
            yield {"ph": "e", "name": name, **where, "ts": self._ts(end)}
        yield {"ph": "e", "name": whole[0], **where, "ts": self._ts(whole[1][1])}

    def _slices(
        self, acquisition: Acquisition
    ) -> Iterator[tuple[str, tuple[int, int], dict[str, Any], str]]:
        """Name, start and end (ns), arguments, phase: the whole first, then its phases."""
        timeline = self._timeline
        resource = timeline.resources.get(acquisition.resource)
        site = timeline.sites.get(acquisition.site)
        said: dict[str, Any] = {"acquisition": acquisition.id, "manager": acquisition.manager}
        if resource is not None:
            said["kind"] = resource.kind
        if site is not None:
            said["site"] = f"{site.file}:{site.line}"
        if acquisition.ended is None:
            said["unfinished"] = True
        name = resource.name if resource is not None else acquisition.manager
        yield name, self._bounds(acquisition), said, names.LIFECYCLE
        outcomes = (acquisition.enter_outcome, acquisition.body_outcome, acquisition.exit_outcome)
        errors = (acquisition.enter_error, acquisition.body_error, acquisition.exit_error)
        for phase, outcome, error in zip(_PHASES, outcomes, errors, strict=True):
            span = acquisition.span_of(phase, self._now)
            if span is not None:
                told: dict[str, Any] = {"ns": span[1] - span[0]}
                if outcome is not None:
                    told["outcome"] = names.OUTCOMES[outcome]
                if error is not None:
                    told["error"] = f"{error.type}: {error.message}"
                yield phase, span, told, phase

    def _bounds(self, acquisition: Acquisition) -> tuple[int, int]:
        ended = acquisition.ended
        start = acquisition.enter_started
        return start, max(start, self._now) if ended is None else ended

    def _ts(self, at: int) -> float:
        return (at - self._start) // _GRID * _GRID / 1000


def _metadata(what: str, where: dict[str, int], **said: object) -> _Event:
    return {"ph": "M", "name": what, **where, "args": said}
