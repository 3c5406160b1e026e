"""What is around the acquisitions of a recording: traces, processes, tasks, definitions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import PurePath
from urllib.parse import unquote

from asyncctx_trace.model import conventions as names
from asyncctx_trace.model.capacity import limit_of
from asyncctx_trace.model.command_line import without_arguments
from asyncctx_trace.model.events import (
    Dropped,
    Event,
    Interrupted,
    Marked,
    Printed,
    ProcessDefined,
    ProcessEnded,
    ReleaseUnmatched,
    ResourceDefined,
    SiteDefined,
    TaskDefined,
)
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace.spans.attributes import resource_attributes, site_attributes
from asyncctx_trace.spans.span import Attributes, Link, Origin, Span, SpanEvent

__all__ = ["TraceTree", "Trace"]

_LAUNCHERS = frozenset({"asyncctx-trace", "asyncctx-trace.exe", "asyncctx_trace_tui"})


@dataclass(slots=True)
class Trace:
    """A trace, and when it began (monotonic ns)."""

    id: int
    began: int


class TraceTree:
    """Everything that spans of a recording need besides the facts of their acquisition."""

    def __init__(self, anchor: Anchor, new_trace_after: float) -> None:
        self.wall = anchor.wall
        self.end = 0
        """The latest time seen."""
        self.resources: dict[int, ResourceDefined] = {}
        self.sites: dict[int, SiteDefined] = {}
        self.tasks: dict[int, TaskDefined] = {}
        self._identity = f"{anchor.wall_ns}/{anchor.monotonic_ns}".encode()[:64]
        self._new_trace_after = int(new_trace_after * 1e9)
        self._trace = Trace(self.id("trace", 0, 16), anchor.monotonic_ns)
        self._placed: dict[int, tuple[Trace, list[Link]]] = {}
        """By task, where it is not in the recording's trace."""
        self._processes: dict[int, ProcessDefined] = {}
        self._process_ended: dict[int, ProcessEnded] = {}
        self._origins: dict[int, Origin] = {}
        self._notes: list[SpanEvent] = []

    def take(self, event: Event) -> None:
        """Take in a definition or a note."""
        match event:
            case TaskDefined():
                self.tasks[event.task] = event
                self._place(event)
            case ProcessDefined():
                self._processes[event.process] = event
            case ProcessEnded():
                self._process_ended[event.pid] = event
            case ResourceDefined():
                self.resources[event.resource] = event
            case SiteDefined():
                self.sites[event.site] = event
            case Printed(at, stream, text):
                said: Attributes = {names.STREAM: stream, names.TEXT: text}
                self._note(at, names.PRINTED_EVENT, said)
            case Marked(at, text):
                self._note(at, names.MARKED_EVENT, {names.TEXT: text})
            case Dropped(at, acquisitions, reason, process, later, stops):
                said = {names.DROPPED_ACQUISITIONS: acquisitions, names.TEXT: reason}
                said |= {names.DROPPED_LATER: later, names.DROPPED_STOPS: stops}
                if process is not None:
                    said[names.PROCESS_ORDINAL] = process
                self._note(at, names.DROPPED_EVENT, said)
            case Interrupted(at, pid, reason, late):
                said = {names.PROCESS_PID: pid, names.TEXT: reason}
                said[names.INTERRUPTED_LATE] = late
                self._note(at, names.INTERRUPTED_EVENT, said)
            case ReleaseUnmatched():
                self._note(event.at, names.RELEASE_UNMATCHED_EVENT, self._unmatched(event))

    def limit(self, resource: int) -> int | None:
        """How many may hold ``resource`` at once; ``None`` where everybody may."""
        known = self.resources.get(resource)
        return None if known is None else limit_of(known.kind, known.capacity)

    # -- traces -----------------------------------------------------------------------------

    def id(self, what: str, number: int, size: int = 8) -> int:
        """The id of the span, or with 16 for ``size`` of the trace, that stands for something."""
        digest = blake2b(f"{what}/{number}".encode(), digest_size=size, key=self._identity)
        return int.from_bytes(digest.digest()) or 1

    def trace_of(self, task: int) -> Trace:
        """The trace that ``task`` is in."""
        return self._placed[task][0] if task in self._placed else self._trace

    def within(
        self, above: Trace, at: int, what: str, number: int, parent: int
    ) -> tuple[Trace, list[Link]]:
        """The trace of what begins at ``at`` below the span ``parent`` of ``above``.

        That trace itself; if it is too old, a new one, with a link to ``parent``.
        """
        if at - above.began <= self._new_trace_after:
            return above, []
        link = Link(above.id, parent, {names.LINK_KIND: names.ENTERED_IN})
        return Trace(self.id(f"{what} trace", number, 16), at), [link]

    def _place(self, task: TaskDefined) -> None:
        above = self._trace if task.parent is None else self.trace_of(task.parent)
        trace, links = self.within(above, task.at, "task", task.task, self._above(task))
        if trace is not self._trace:
            self._placed[task.task] = trace, links

    def _above(self, task: TaskDefined) -> int:
        if task.parent is None:
            return self.id("process", task.process)
        return self.id("task", task.parent)

    # -- spans ------------------------------------------------------------------------------

    def task_gone(self, number: int, ended: int) -> Iterator[Span]:
        """The span of a task that has ended, which is forgotten."""
        task = self.tasks.pop(number, None)
        if task is not None:
            yield self._task(task, ended)

    def finish(self, ended: dict[int, int]) -> Iterator[Span]:
        """The spans of tasks, by the times of their ends where known, and of processes."""
        for task in self.tasks.values():
            yield self._task(task, ended.get(task.task))
        for process in self._processes.values():
            yield self._process(process)

    def origin(self, process: int) -> Origin:
        """Where spans of ``process`` come from."""
        origin = self._origins.get(process)
        if origin is None:
            origin = self._origins[process] = Origin(self._resource(process), names.SCOPE)
        return origin

    def _task(self, task: TaskDefined, ended: int | None) -> Span:
        trace, links = self._placed.get(task.task, (self._trace, []))
        attributes: Attributes = {
            names.PHASE: names.TASK,
            names.TASK_ID: task.task,
            names.TASK_NAME: task.name,
            names.TASK_RUNTIME: task.runtime,
            names.THREAD_NAME: task.thread,
            names.ENDED: ended is not None,
        }
        if task.parent is not None:
            attributes[names.TASK_PARENT] = task.parent
        return Span(
            self.origin(task.process),
            trace.id,
            self.id("task", task.task),
            None if links else self._above(task),
            names.TASK,
            self.wall(task.at),
            self.wall(max(task.at, self.end if ended is None else ended)),
            attributes,
            links=links,
        )

    def _process(self, process: ProcessDefined) -> Span:
        ended = self._process_ended.get(process.pid)
        parents = [p for p in self._processes.values() if p.pid == process.parent_pid]
        attributes: Attributes = {names.PHASE: names.PROCESS, names.ENDED: ended is not None}
        if ended is not None and ended.exit_code is not None:
            attributes[names.PROCESS_EXIT_CODE] = ended.exit_code
        first = next(iter(self._processes))
        return Span(
            self.origin(process.process),
            self._trace.id,
            self.id("process", process.process),
            self.id("process", parents[-1].process) if parents else None,
            names.PROCESS,
            self.wall(process.at),
            self.wall(max(process.at, self.end if ended is None else ended.at)),
            attributes,
            # The recording does not tell which process printed a line.
            events=self._notes if process.process == first else [],
        )

    def _resource(self, process: int) -> Attributes:
        processes = self._processes
        known = processes.get(process)
        resource: Attributes = {
            names.SERVICE_NAME: _service(processes.values()),
            names.SERVICE_INSTANCE_ID: f"{self.id('process', process):016x}",
            names.PROCESS_ORDINAL: process,
        }
        if known is not None:
            resource[names.PROCESS_PID] = known.pid
            resource[names.PROCESS_PARENT_PID] = known.parent_pid
            resource[names.PROCESS_COMMAND_LINE] = without_arguments(known.title)
        for pair in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
            key, equals, value = pair.partition("=")
            if equals:
                resource[key.strip()] = unquote(value.strip())
        if os.environ.get("OTEL_SERVICE_NAME"):
            resource[names.SERVICE_NAME] = os.environ["OTEL_SERVICE_NAME"]
        return resource

    def _unmatched(self, event: ReleaseUnmatched) -> Attributes:
        said: Attributes = {names.TASK_ID: event.task, names.RESOURCE_ID: event.resource}
        resource, site = self.resources.get(event.resource), self.sites.get(event.site or 0)
        if resource is not None:
            said |= resource_attributes(event.resource, resource)
        if site is not None:
            said |= {names.SITE_ID: site.site, **site_attributes(site)}
        return said

    def _note(self, at: int, name: str, said: Attributes) -> None:
        self._notes.append(SpanEvent(self.wall(at), name, said))


def _service(processes: Iterable[ProcessDefined]) -> str:
    """What to call a program: the name of its script or module, the launcher's apart."""
    for process in processes:
        words = process.title.split()
        if any(PurePath(word).name in _LAUNCHERS for word in words[:4]):
            continue
        if "-m" in words[:-1]:
            return words[words.index("-m") + 1]
        scripts = [word for word in words[1:] if not word.startswith("-")]
        if scripts or words:
            return PurePath(scripts[0]).stem if scripts else PurePath(words[0]).name
    return "unknown_service"
