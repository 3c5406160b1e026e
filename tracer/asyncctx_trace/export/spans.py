"""Facts -> spans, under ids that are the same however often a recording is exported."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import PurePath
from urllib.parse import unquote

from asyncctx_trace.events import (
    Dropped,
    EnterEnded,
    EnterStarted,
    ErrorText,
    Event,
    ExitEnded,
    ExitStarted,
    Marked,
    Outcome,
    Printed,
    ProcessDefined,
    ProcessEnded,
    ResourceDefined,
    SiteDefined,
    TaskDefined,
    TaskEnded,
)
from asyncctx_trace.export.span import Attributes, Link, Origin, Span, SpanEvent
from asyncctx_trace.limits import limit_of
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace.spans import conventions as names
from asyncctx_trace.spans.attributes import of_lifecycle, of_phase
from asyncctx_trace.spans.contention import Contention

__all__ = ["NEW_TRACE_AFTER", "SpanMaker"]

NEW_TRACE_AFTER = 300.0
"""Seconds after which what begins in a trace begins one of its own."""

_LAUNCHERS = frozenset({"asyncctx-trace", "asyncctx-trace.exe", "asyncctx_trace_tui"})


@dataclass(slots=True)
class _Trace:
    id: int
    began: int


@dataclass(slots=True)
class _Open:
    """An acquisition that has not ended."""

    started: EnterStarted
    trace: _Trace
    links: list[Link]
    waiters_before: int | None = None
    entered: EnterEnded | None = None
    left: ExitStarted | None = None
    blockers: tuple[tuple[int, int], ...] = ()
    """Acquisition and trace of each."""
    blocker_count: int = 0
    inner_error: ErrorText | None = None
    """What left the last acquisition inside it."""


@dataclass(slots=True)
class _Known:
    """Definitions, and the notes that belong to a process as a whole."""

    processes: dict[int, ProcessDefined] = field(default_factory=dict)
    process_ended: dict[int, ProcessEnded] = field(default_factory=dict)
    tasks: dict[int, TaskDefined] = field(default_factory=dict)
    task_ended: dict[int, int] = field(default_factory=dict)
    resources: dict[int, ResourceDefined] = field(default_factory=dict)
    sites: dict[int, SiteDefined] = field(default_factory=dict)


class SpanMaker:
    """Makes spans of facts as they come; ``anchor`` is the recording's, and names its traces.

    A recording is one trace: processes, their tasks, the acquisitions of these. What begins more
    than ``new_trace_after`` seconds later begins a trace of its own, linked to where it belongs.
    """

    def __init__(self, anchor: Anchor, new_trace_after: float = NEW_TRACE_AFTER) -> None:
        self._anchor = anchor
        self._new_trace_after = int(new_trace_after * 1e9)
        self._identity = f"{anchor.wall_ns}/{anchor.monotonic_ns}".encode()
        self._trace = _Trace(self._hash("trace", 0, 16), anchor.monotonic_ns)
        self._traces: dict[int, _Trace] = {}
        """By task, where it is not the recording's."""
        self._known = _Known()
        self._open: dict[int, _Open] = {}
        self._busy: Counter[int] = Counter()
        """How many acquisitions each task has open."""
        self._contentions: dict[int, Contention[tuple[int, int]]] = {}
        self._origins: dict[int, Origin] = {}
        self._notes: list[SpanEvent] = []
        self._end = 0

    @property
    def in_flight(self) -> int:
        """Acquisitions that have not ended: no spans of them yet."""
        return len(self._open)

    def take(self, events: Iterable[Event]) -> Iterator[Span]:
        """The spans of whatever ends with ``events``, inner ones first."""
        for event in events:
            yield from self._take(event)

    def finish(self) -> Iterator[Span]:
        """When nothing follows any more: what never ended, the tasks, the processes."""
        for open_ in sorted(self._open.values(), key=lambda o: -o.started.at):
            yield from self._spans(open_, None)
        self._open.clear()
        for task in self._known.tasks.values():
            yield self._task(task)
        for process in self._known.processes.values():
            yield self._process(process)

    # -- facts ------------------------------------------------------------------------------

    def _take(self, event: Event) -> Iterator[Span]:
        known = self._known
        at: int | None = getattr(event, "at", None)
        if at is not None:
            self._end = max(self._end, at)
        match event:
            case EnterStarted():
                self._started(event)
            case EnterEnded(_, acquisition, outcome, _):
                open_ = self._open.get(acquisition)
                if open_ is not None:
                    yield from self._entered(open_, event, outcome)
            case ExitStarted():
                open_ = self._open.get(event.acquisition)
                if open_ is not None:
                    open_.left = event
            case ExitEnded():
                open_ = self._open.pop(event.acquisition, None)
                if open_ is not None:
                    self._contention(open_).let_go(_key(open_))
                    yield from self._spans(open_, event)
            case TaskDefined():
                known.tasks[event.task] = event
                self._place(event.task, event.at, event.parent)
            case TaskEnded(ended, number):
                known.task_ended[number] = ended
                task = known.tasks.get(number)
                if task is not None and not self._busy.get(number):
                    del known.tasks[number]
                    yield self._task(task)
            case ProcessDefined():
                known.processes[event.process] = event
            case ProcessEnded():
                known.process_ended[event.pid] = event
            case ResourceDefined():
                known.resources[event.resource] = event
            case SiteDefined():
                known.sites[event.site] = event
            case _:
                self._notes.append(_note(event, self._anchor))

    def _started(self, event: EnterStarted) -> None:
        parent = self._open.get(event.parent or 0)
        trace = self._trace_of(event.task) if parent is None else parent.trace
        links = []
        if event.at - trace.began > self._new_trace_after:
            where = (
                self._hash("task", event.task)
                if parent is None
                else self._hash(names.BODY, parent.started.acquisition)
            )
            links.append(Link(trace.id, where, {names.LINK_KIND: names.ENTERED_IN}))
            trace = _Trace(self._hash("trace", event.acquisition, 16), event.at)
        open_ = self._open[event.acquisition] = _Open(event, trace, links)
        self._busy[event.task] += 1
        ahead = self._contention(open_).asked(_key(open_))
        if self._limit(event.resource) is not None:
            open_.waiters_before = ahead

    def _entered(self, open_: _Open, event: EnterEnded, outcome: Outcome) -> Iterator[Span]:
        open_.entered = event
        contention = self._contention(open_)
        if outcome is Outcome.OK:
            open_.blocker_count, open_.blockers = contention.got_in(_key(open_))
            return
        open_.blocker_count, open_.blockers = contention.gave_up(_key(open_))
        del self._open[event.acquisition]
        yield from self._spans(open_, None)

    # -- spans ------------------------------------------------------------------------------

    def _spans(self, open_: _Open, ended: ExitEnded | None) -> Iterator[Span]:
        started, entered, left = open_.started, open_.entered, open_.left
        self._busy[started.task] -= 1
        finished = ended is not None or (entered is not None and entered.outcome is not Outcome.OK)
        failed = _failed(open_, ended) if finished else None
        self._tell_parent(started, entered, left, ended)
        enter = self._phase(open_, names.ENTER, started.at, entered, failed)
        if open_.waiters_before is not None:
            enter.attributes[names.WAITERS_BEFORE] = open_.waiters_before
            enter.attributes[names.BLOCKERS] = open_.blocker_count
            enter.links = [
                Link(
                    trace, self._hash(names.LIFECYCLE, holder), {names.LINK_KIND: names.BLOCKED_BY}
                )
                for holder, trace in open_.blockers
            ]
        yield enter
        if entered is not None and entered.outcome is Outcome.OK:
            repeated = left is not None and left.error == open_.inner_error
            yield self._phase(open_, names.BODY, entered.at, left, failed, repeated)
        if left is not None:
            repeated = ended is not None and ended.error == left.error
            exit_ = self._phase(open_, names.EXIT, left.at, ended, failed, repeated)
            if left.task != started.task:
                exit_.attributes[names.EXIT_TASK_ID] = left.task
                if left.task in self._known.tasks:
                    exit_.attributes[names.EXIT_TASK_NAME] = self._known.tasks[left.task].name
            if ended is not None:
                exit_.attributes[names.SUPPRESSED] = ended.suppressed
            yield exit_
        yield self._lifecycle(open_, ended, finished, failed)

    def _lifecycle(
        self, open_: _Open, ended: ExitEnded | None, finished: bool, failed: ErrorText | None
    ) -> Span:
        started, known = open_.started, self._known
        resource = known.resources.get(started.resource) or ResourceDefined(
            started.resource, "manager", started.manager, None
        )
        task = known.tasks.get(started.task) or TaskDefined(
            started.at, started.task, f"task {started.task}", "none", None, 0, ""
        )
        site = known.sites.get(started.site)
        attributes = of_lifecycle(
            started.acquisition,
            started.manager,
            (started.resource, resource),
            site,
            (started.task, task),
        )
        if site is not None:
            attributes[names.SITE_ID] = started.site
        if started.parent is not None:
            attributes[names.PARENT_ACQUISITION] = started.parent
        last = ended or open_.left or open_.entered
        end = last.at if finished and last is not None else max(self._end, started.at)
        if finished:
            attributes[names.OUTCOME] = names.OUTCOMES[_outcome(open_, ended)]
            attributes[names.SUPPRESSED] = ended is not None and ended.suppressed
        else:
            attributes[names.UNFINISHED] = True
        parent = None
        if not open_.links:
            parent = (
                self._hash(names.BODY, started.parent)
                if started.parent is not None
                else self._hash("task", started.task)
            )
        return Span(
            self._origin(task.process),
            open_.trace.id,
            self._hash(names.LIFECYCLE, started.acquisition),
            parent,
            names.span_name(resource.name),
            self._anchor.wall(started.at),
            self._anchor.wall(end),
            attributes,
            links=open_.links,
            error=None if failed is None else _words(failed),
        )

    def _phase(
        self,
        open_: _Open,
        phase: str,
        start: int,
        ended: EnterEnded | ExitStarted | ExitEnded | None,
        failed: ErrorText | None,
        repeated: bool = False,
    ) -> Span:
        """``repeated`` says that another phase has recorded the error already."""
        acquisition, task = open_.started.acquisition, self._known.tasks.get(open_.started.task)
        end = max(self._end, start) if ended is None else ended.at
        span = Span(
            self._origin(0 if task is None else task.process),
            open_.trace.id,
            self._hash(phase, acquisition),
            self._hash(names.LIFECYCLE, acquisition),
            phase,
            self._anchor.wall(start),
            self._anchor.wall(end),
        )
        if ended is None:
            span.attributes = {names.PHASE: phase, names.UNFINISHED: True}
            return span
        error = ended.error
        words = None if error is None else (error.type, error.message)
        span.attributes = of_phase(phase, ended.outcome, words)
        if error is not None and not repeated and ended.outcome is not Outcome.CANCELLED:
            said = {names.EXCEPTION_TYPE: error.type, names.EXCEPTION_MESSAGE: error.message}
            span.events.append(SpanEvent(span.end, names.EXCEPTION_EVENT, said))
        if error is not None and error is failed:
            span.error = _words(error)
        return span

    def _tell_parent(
        self,
        started: EnterStarted,
        entered: EnterEnded | None,
        left: ExitStarted | None,
        ended: ExitEnded | None,
    ) -> None:
        parent = self._open.get(started.parent or 0)
        if parent is not None:
            error = None
            if ended is not None and ended.error is not None:
                error = ended.error
            elif left is not None and not (ended is not None and ended.suppressed):
                error = left.error
            elif entered is not None:
                error = entered.error
            parent.inner_error = error

    def _task(self, task: TaskDefined) -> Span:
        ended = self._known.task_ended.get(task.task)
        trace = self._trace_of(task.task)
        attributes: Attributes = {
            names.PHASE: names.TASK,
            names.TASK_ID: task.task,
            names.TASK_NAME: task.name,
            names.TASK_RUNTIME: task.runtime,
            names.THREAD_NAME: task.thread,
            names.ENDED: ended is not None,
        }
        parent: int | None = self._hash("process", task.process)
        links = []
        if task.parent is not None:
            attributes[names.TASK_PARENT] = task.parent
            parent = self._hash("task", task.parent)
        above = self._trace if task.parent is None else self._trace_of(task.parent)
        if above.id != trace.id and parent is not None:
            links.append(Link(above.id, parent, {names.LINK_KIND: names.ENTERED_IN}))
            parent = None
        return Span(
            self._origin(task.process),
            trace.id,
            self._hash("task", task.task),
            parent,
            names.TASK,
            self._anchor.wall(task.at),
            self._anchor.wall(max(task.at, self._end if ended is None else ended)),
            attributes,
            links=links,
        )

    def _process(self, process: ProcessDefined) -> Span:
        ended = self._known.process_ended.get(process.pid)
        parents = [p for p in self._known.processes.values() if p.pid == process.parent_pid]
        attributes: Attributes = {names.PHASE: names.PROCESS, names.ENDED: ended is not None}
        if ended is not None and ended.exit_code is not None:
            attributes[names.PROCESS_EXIT_CODE] = ended.exit_code
        first = next(iter(self._known.processes))
        return Span(
            self._origin(process.process),
            self._trace.id,
            self._hash("process", process.process),
            self._hash("process", parents[-1].process) if parents else None,
            names.PROCESS,
            self._anchor.wall(process.at),
            self._anchor.wall(max(process.at, self._end if ended is None else ended.at)),
            attributes,
            # The recording does not tell which process printed a line.
            events=self._notes if process.process == first else [],
        )

    # -- where things belong ----------------------------------------------------------------

    def _place(self, task: int, at: int, parent: int | None) -> None:
        above = self._trace if parent is None else self._trace_of(parent)
        if at - above.began > self._new_trace_after:
            above = _Trace(self._hash("task trace", task, 16), at)
        if above is not self._trace:
            self._traces[task] = above

    def _trace_of(self, task: int) -> _Trace:
        return self._traces.get(task, self._trace)

    def _limit(self, resource: int) -> int | None:
        known = self._known.resources.get(resource)
        return None if known is None else limit_of(known.kind, known.capacity)

    def _contention(self, open_: _Open) -> Contention[tuple[int, int]]:
        resource = open_.started.resource
        found = self._contentions.get(resource)
        if found is None:
            # Where everybody may come in nobody is ever in the way.
            limit = self._limit(resource)
            found = Contention(1 << 62 if limit is None else limit)
            self._contentions[resource] = found
        return found

    def _origin(self, process: int) -> Origin:
        origin = self._origins.get(process)
        if origin is None:
            origin = self._origins[process] = Origin(self._resource(process), names.SCOPE)
        return origin

    def _resource(self, process: int) -> Attributes:
        processes = self._known.processes
        known = processes.get(process)
        resource: Attributes = {
            names.SERVICE_NAME: _service(processes.values()),
            names.SERVICE_INSTANCE_ID: f"{self._hash('process', process):016x}",
            names.PROCESS_ORDINAL: process,
        }
        if known is not None:
            resource[names.PROCESS_PID] = known.pid
            resource[names.PROCESS_PARENT_PID] = known.parent_pid
            resource[names.PROCESS_COMMAND_LINE] = known.title
        for pair in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
            key, equals, value = pair.partition("=")
            if equals:
                resource[key.strip()] = unquote(value.strip())
        if os.environ.get("OTEL_SERVICE_NAME"):
            resource[names.SERVICE_NAME] = os.environ["OTEL_SERVICE_NAME"]
        return resource

    def _hash(self, what: str, number: int, size: int = 8) -> int:
        digest = blake2b(
            f"{what}/{number}".encode(), digest_size=size, key=self._identity[:64]
        ).digest()
        return int.from_bytes(digest) or 1


def _key(open_: _Open) -> tuple[int, int]:
    return open_.started.acquisition, open_.trace.id


def _failed(open_: _Open, ended: ExitEnded | None) -> ErrorText | None:
    """The error that left the ``async with``; a cancellation is none."""
    for fact in (ended, open_.entered, open_.left):
        if fact is not None and fact.error is not None:
            if fact is open_.left and ended is not None and ended.suppressed:
                return None
            return None if fact.outcome is Outcome.CANCELLED else fact.error
    return None


def _outcome(open_: _Open, ended: ExitEnded | None) -> Outcome:
    """How it ended as a whole: the last phase that says anything bad speaks for all."""
    if ended is None or open_.left is None:
        return Outcome.OK if open_.entered is None else open_.entered.outcome
    if ended.error is not None or ended.suppressed:
        return ended.outcome
    return open_.left.outcome


def _words(error: ErrorText) -> str:
    return f"{error.type}: {error.message}"


def _note(event: Event, anchor: Anchor) -> SpanEvent:
    match event:
        case Printed(at, stream, text):
            said = {names.STREAM: stream, names.TEXT: text}
            return SpanEvent(anchor.wall(at), names.PRINTED_EVENT, said)
        case Marked(at, text):
            return SpanEvent(anchor.wall(at), names.MARKED_EVENT, {names.TEXT: text})
        case Dropped(at, acquisitions, reason):
            told: Attributes = {names.DROPPED_ACQUISITIONS: acquisitions, names.TEXT: reason}
            return SpanEvent(anchor.wall(at), names.DROPPED_EVENT, told)
    raise AssertionError(event)


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
