"""The traces of a recording down to its tasks, below which acquisitions hang."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from importlib.metadata import version
from pathlib import PurePath
from urllib.parse import unquote

from asyncctx_trace.model import conventions as names
from asyncctx_trace.model.capacity import limit_of
from asyncctx_trace.model.command_line import without_arguments
from asyncctx_trace.model.constants import MAX_TRACE_SPANS, NEW_TRACE_AFTER
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
    StallEnded,
    StallStarted,
    TaskDefined,
)
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace.spans.attributes import resource_attributes, site_attributes
from asyncctx_trace.spans.span import Attributes, Link, Origin, Span, SpanEvent

__all__ = ["Trace", "TraceOptions", "TraceTree"]

_LAUNCHERS = frozenset({"asyncctx-trace", "asyncctx-trace.exe", "asyncctx_trace_tui"})


@dataclass(slots=True)
class Trace:
    """A trace."""

    id: int
    began: int
    """Monotonic ns."""
    spans: int = 0
    """How many spans it has, or will have when open acquisitions have ended."""


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """When new traces begin, and what may be said of processes."""

    new_trace_after: float = NEW_TRACE_AFTER
    """Age of a trace (s) from which on an acquisition begins a new one."""
    max_trace_spans: int = MAX_TRACE_SPANS
    """Number of spans of a trace from which on an acquisition begins a new one."""
    arguments: bool = False
    """Whether command lines include the program's arguments, which may contain secrets."""
    waits: bool = False
    """Whether waits for other things than managers are spans: they are often most of all spans."""


class TraceTree:
    """Definitions, traces, and the spans of tasks and processes of one recording.

    A recording is one trace. What begins in a trace that is too old or too large begins a trace of
    its own, with a link to the span that would be its parent.
    """

    def __init__(self, anchor: Anchor, options: TraceOptions) -> None:
        self.wall = anchor.wall
        self.end = 0
        """The time of the latest event (monotonic ns)."""
        self.resources: dict[int, ResourceDefined] = {}
        self.sites: dict[int, SiteDefined] = {}
        self.tasks: dict[int, TaskDefined] = {}
        self._identity = f"{anchor.wall_ns}/{anchor.monotonic_ns}".encode()[:64]
        self._options = options
        self._max_age = int(options.new_trace_after * 1e9)
        self._trace = Trace(self.id("trace", 0, 16), anchor.monotonic_ns)
        self._trace_of_task: dict[int, tuple[Trace, list[Link]]] = {}
        """Trace and links of tasks that are not in the recording's trace."""
        self._processes: dict[int, ProcessDefined] = {}
        self._process_ended: dict[int, ProcessEnded] = {}
        self._origins: dict[int, Origin] = {}
        self._notes: list[SpanEvent] = []
        self._stalls: dict[int, StallStarted] = {}

    def add(self, event: Event) -> None:  # noqa: C901 - a flat list of the kinds of events
        """Add a definition, or an event that belongs to no acquisition."""
        match event:
            case TaskDefined():
                self.tasks[event.task] = event
                self._assign_trace(event)
            case ProcessDefined():
                self._processes[event.process] = event
            case ProcessEnded():
                self._process_ended[event.pid] = event
            case ResourceDefined():
                self.resources[event.resource] = event
            case SiteDefined():
                self.sites[event.site] = event
            case Printed(at, stream, text):
                attributes: Attributes = {names.STREAM: stream, names.TEXT: text}
                self._note(at, names.PRINTED_EVENT, attributes)
            case Marked(at, text):
                self._note(at, names.MARKED_EVENT, {names.TEXT: text})
            case Dropped(at, acquisitions, reason, process, later, stops):
                attributes = {names.DROPPED_ACQUISITIONS: acquisitions, names.TEXT: reason}
                attributes |= {names.DROPPED_LATER: later, names.DROPPED_STOPS: stops}
                if process is not None:
                    attributes[names.PROCESS_ORDINAL] = process
                self._note(at, names.DROPPED_EVENT, attributes)
            case Interrupted(at, pid, reason, late):
                attributes = {names.PROCESS_PID: pid, names.TEXT: reason}
                attributes[names.INTERRUPTED_LATE] = late
                self._note(at, names.INTERRUPTED_EVENT, attributes)
            case StallStarted():
                self._stalls[event.stall] = event
            case StallEnded(stall=stall):
                started = self._stalls.pop(stall, None)
                if started is not None:
                    self._note_stall(started, event)
            case ReleaseUnmatched():
                self._note(event.at, names.RELEASE_UNMATCHED_EVENT, self._unmatched(event))

    def limit(self, resource: int) -> int | None:
        """Return how many can hold ``resource`` at once, ``None`` if there is no limit."""
        known = self.resources.get(resource)
        return None if known is None else limit_of(known.kind, known.capacity)

    # -- traces -----------------------------------------------------------------------------

    def id(self, what: str, number: int, size: int = 8) -> int:
        """Return the id of the span of what has the id ``number``; ``size`` is 16 for a trace.

        It is a hash, so it is the same each time the recording is exported.
        """
        digest = blake2b(f"{what}/{number}".encode(), digest_size=size, key=self._identity)
        return int.from_bytes(digest.digest()) or 1

    def trace_of(self, task: int) -> Trace:
        """Return the trace that ``task`` is in."""
        known = self._trace_of_task.get(task)
        return self._trace if known is None else known[0]

    def trace_for(
        self, parent_trace: Trace, parent: int, at: int, what: str, number: int
    ) -> tuple[Trace, list[Link]]:
        """Return the trace of what begins at ``at`` below the span ``parent``, and its links.

        That is ``parent_trace`` or, if that is too old or too large, a new one with a link.
        """
        if (
            at - parent_trace.began <= self._max_age
            and parent_trace.spans < self._options.max_trace_spans
        ):
            return parent_trace, []
        link = Link(parent_trace.id, parent, {names.LINK_KIND: names.ENTERED_IN})
        return Trace(self.id(f"{what} trace", number, 16), at), [link]

    def _assign_trace(self, task: TaskDefined) -> None:
        parent_trace = self._trace if task.parent is None else self.trace_of(task.parent)
        parent = self._parent(task)
        trace, links = self.trace_for(parent_trace, parent, task.at, "task", task.task)
        trace.spans += 1
        if trace is not self._trace:
            self._trace_of_task[task.task] = trace, links

    def _parent(self, task: TaskDefined) -> int:
        if task.parent is None:
            return self.id("process", task.process)
        return self.id("task", task.parent)

    # -- spans ------------------------------------------------------------------------------

    def end_task(self, number: int, ended: int) -> Iterator[Span]:
        """Yield the span of a task that has ended, and drop its definition."""
        task = self.tasks.pop(number, None)
        if task is not None:
            yield self._task(task, ended)

    def finish(self, ended: dict[int, int]) -> Iterator[Span]:
        """Yield the spans of processes and of the other tasks, ``ended`` being when these ended."""
        for task in self.tasks.values():
            yield self._task(task, ended.get(task.task))
        for process in self._programs():
            yield self._process(process)

    def origin(self, process: int) -> Origin:
        """Return the origin of the spans of ``process``."""
        origin = self._origins.get(process)
        if origin is None:
            origin = self._origins[process] = Origin(
                self._resource(process), names.SCOPE, version("asyncctx-trace"), names.SCHEMA_URL
            )
        return origin

    def _task(self, task: TaskDefined, ended: int | None) -> Span:
        trace, links = self._trace_of_task.get(task.task, (self._trace, []))
        attributes: Attributes = {
            names.PHASE: names.TASK,
            names.TASK_ID: task.task,
            names.TASK_NAME: task.name,
            names.TASK_RUNTIME: task.runtime,
            names.THREAD_NAME: task.thread,
            names.ENDED: ended is not None,
        }
        if task.coroutine:
            attributes[names.TASK_COROUTINE] = task.coroutine
        if task.parent is not None:
            attributes[names.TASK_PARENT] = task.parent
        if task.coroutine:
            attributes[names.TASK_COROUTINE] = task.coroutine
        process = self._processes.get(task.process)
        # A task may have been seen by an earlier recording of its process.
        start = task.at if process is None else max(task.at, process.at)
        return Span(
            self.origin(task.process),
            trace.id,
            self.id("task", task.task),
            None if links else self._parent(task),
            names.task_span_name(task.coroutine),
            self.wall(start),
            self.wall(max(start, self.end if ended is None else ended)),
            attributes,
            links=links,
        )

    def _process(self, process: ProcessDefined) -> Span:
        ended = self._process_ended.get(process.pid)
        programs = self._programs()
        parents = [p for p in programs if p.pid == process.parent_pid]
        attributes: Attributes = {names.PHASE: names.PROCESS, names.ENDED: ended is not None}
        if ended is not None and ended.exit_code is not None:
            attributes[names.PROCESS_EXIT_CODE] = ended.exit_code
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
            events=self._notes if process is programs[0] else [],
        )

    def _programs(self) -> list[ProcessDefined]:
        """Return the processes without the launcher, which only writes notes: it is not the root.

        If there is nothing but the launcher, it has the notes.
        """
        known = list(self._processes.values())
        return [process for process in known if not _is_launcher(process)] or known

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
            resource[names.PROCESS_COMMAND_LINE] = (
                known.title if self._options.arguments else without_arguments(known.title)
            )
        for pair in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
            key, equals, value = pair.partition("=")
            if equals:
                resource[key.strip()] = unquote(value.strip())
        if os.environ.get("OTEL_SERVICE_NAME"):
            resource[names.SERVICE_NAME] = os.environ["OTEL_SERVICE_NAME"]
        return resource

    def _unmatched(self, event: ReleaseUnmatched) -> Attributes:
        attributes: Attributes = {names.TASK_ID: event.task, names.RESOURCE_ID: event.resource}
        resource, site = self.resources.get(event.resource), self.sites.get(event.site or 0)
        if resource is not None:
            attributes |= resource_attributes(event.resource, resource)
        if site is not None:
            attributes |= {names.SITE_ID: site.site, **site_attributes(site)}
        return attributes

    def _note_stall(self, started: StallStarted, ended: StallEnded) -> None:
        attributes: Attributes = {
            names.STALL_DURATION: (ended.at - started.since) / 1e9,
            names.STALL_COLLECTIONS: ended.collections,
            names.STALL_DELAYED: ended.delayed / 1e9,
            names.STALL_STACK: [
                f"{file}:{line} {function}" for file, line, function in started.stack
            ],
        }
        if started.task is not None:
            attributes[names.TASK_ID] = started.task
            if started.task in self.tasks:
                attributes[names.TASK_NAME] = self.tasks[started.task].name
        site = self.sites.get(started.site or 0)
        if site is not None:
            attributes |= {names.SITE_ID: site.site, **site_attributes(site)}
        self._note(started.since, names.STALL_EVENT, attributes)

    def _note(self, at: int, name: str, attributes: Attributes) -> None:
        self._notes.append(SpanEvent(self.wall(at), name, attributes))


def _is_launcher(process: ProcessDefined) -> bool:
    return any(PurePath(word).name in _LAUNCHERS for word in process.title.split()[:4])


def _service(processes: Iterable[ProcessDefined]) -> str:
    """Return the name of the program: that of its script or module, not of the launcher."""
    for process in processes:
        if _is_launcher(process):
            continue
        words = process.title.split()
        if "-m" in words[:-1]:
            return words[words.index("-m") + 1]
        scripts = [word for word in words[1:] if not word.startswith("-")]
        if scripts or words:
            return PurePath(scripts[0]).stem if scripts else PurePath(words[0]).name
    return "unknown_service"
