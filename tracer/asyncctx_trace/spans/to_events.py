"""Spans -> facts: ours in full, anybody else's as plain bars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from operator import attrgetter
from typing import Any

from asyncctx_trace.model import conventions as names
from asyncctx_trace.model.constants import PROCESS_SHIFT
from asyncctx_trace.model.events import (
    Collected,
    Dropped,
    EnterEnded,
    EnterStarted,
    ErrorText,
    Event,
    ExitEnded,
    ExitStarted,
    Interrupted,
    Marked,
    Outcome,
    Printed,
    ProcessDefined,
    ProcessEnded,
    ReleaseUnmatched,
    ResourceDefined,
    SiteDefined,
    TaskDefined,
    TaskEnded,
)
from asyncctx_trace.spans.attributes import exit_flags_from
from asyncctx_trace.spans.cycles import closing_edges
from asyncctx_trace.spans.span import Span

__all__ = ["events_of"]

_OUTCOMES = {word: Outcome(value) for value, word in enumerate(names.OUTCOMES) if word}
"""Ids of ours are unique within a process; here they carry the process above this bit, as they
do in a recording of several."""
_MAX_ID = 1 << 62
_MAX_ORDINAL = 1 << 28


def events_of(spans: Iterable[Span]) -> list[Event]:
    """The events that ``spans`` tell, definitions first, then in order of time.

    Times are ns since 1970. A foreign span becomes an acquisition that got in at once, held its
    resource, which is called like the span, and let go at once.
    """
    return _Reading(list(spans)).events()


class _Reading:
    def __init__(self, spans: list[Span]) -> None:
        self._spans = {(span.trace, span.id): span for span in spans}
        self._children: dict[tuple[int, int], dict[str, Span]] = {}
        for span in spans:
            phase = span.attributes.get(names.PHASE)
            if span.parent is not None and phase in (names.ENTER, names.BODY, names.EXIT):
                self._children.setdefault((span.trace, span.parent), {})[phase] = span
        self._processes: dict[object, int] = {}
        self._definitions: dict[tuple[type, int], Event] = {}
        self._facts: list[Any] = []
        self._numbers: dict[object, int] = {}
        self._last = max((span.end for span in spans), default=0)

    def events(self) -> list[Event]:
        foreign = []
        for span in self._spans.values():
            match span.attributes.get(names.PHASE):
                case names.LIFECYCLE:
                    self._acquisition(span)
                case names.TASK:
                    self._task(span)
                case names.PROCESS:
                    self._process_span(span)
                case names.ENTER | names.BODY | names.EXIT:
                    pass  # told by its lifecycle
                case _:
                    foreign.append(span)
        for span in sorted(foreign, key=lambda span: (span.start, -span.end)):
            self._bar(span)
        self._facts.sort(key=attrgetter("at"))
        return [*_cut_cycles(self._definitions.values()), *_cut_cycles(self._facts)]

    # -- ours -------------------------------------------------------------------------------

    def _acquisition(self, span: Span) -> None:
        said, base = span.attributes, self._base(span)
        acquisition = base + _int(said, names.ACQUISITION)
        task = base + _int(said, names.TASK_ID)
        self._define_task(task, span)
        resource = base + _int(said, names.RESOURCE_ID)
        self._define_resource(resource, said, span.name)
        phases = self._children.get((span.trace, span.id), {})
        enter, body, exit_ = (phases.get(p) for p in (names.ENTER, names.BODY, names.EXIT))
        self._facts.append(
            EnterStarted(
                span.start,
                acquisition,
                self._parent(span, base),
                task,
                str(said.get(names.MANAGER, "?")),
                resource,
                self._site(span.attributes, base) or 0,
                bool(said.get(names.BY_CALL)),
            )
        )
        self._facts += [
            Collected(event.at, acquisition)
            for event in span.events
            if event.name == names.COLLECTED_EVENT
        ]
        entered = enter.end if enter is not None else span.start
        if enter is None or not _unfinished(enter):
            outcome = Outcome.OK if enter is None else _outcome(enter)
            self._facts.append(EnterEnded(entered, acquisition, outcome, _error(enter)))
            if outcome is not Outcome.OK:
                return
        elif body is None:
            return
        if (body is not None and _unfinished(body)) or (body is None and _unfinished(span)):
            return
        left_by = task
        how = {} if exit_ is None else exit_.attributes
        if names.EXIT_TASK_ID in how:
            left_by = base + _int(how, names.EXIT_TASK_ID)
        left = body.end if body is not None else span.end
        self._facts.append(
            ExitStarted(
                left,
                acquisition,
                left_by,
                _outcome(body) if body else Outcome.OK,
                _error(body),
                self._site(how, base),
            )
        )
        if exit_ is not None and _unfinished(exit_):
            return
        outcome = _outcome(exit_) if exit_ is not None else Outcome.OK
        suppressed = bool(said.get(names.SUPPRESSED))
        self._facts.append(
            ExitEnded(
                span.end,
                acquisition,
                outcome,
                suppressed,
                _error(exit_),
                exit_flags_from(how),
            )
        )

    def _parent(self, span: Span, base: int) -> int | None:
        if names.PARENT_ACQUISITION in span.attributes:
            return base + _int(span.attributes, names.PARENT_ACQUISITION)
        body = self._spans.get((span.trace, span.parent or 0))
        if body is None or body.attributes.get(names.PHASE) != names.BODY:
            return None
        above = self._spans.get((body.trace, body.parent or 0))
        if above is None or names.ACQUISITION not in above.attributes:
            return None
        # Spans nest across tasks; acquisitions do so within one.
        if above.attributes.get(names.TASK_ID) != span.attributes.get(names.TASK_ID):
            return None
        return self._base(above) + _int(above.attributes, names.ACQUISITION)

    def _define_resource(self, resource: int, said: dict[str, Any], otherwise: str) -> None:
        capacity = said.get(names.RESOURCE_CAPACITY)
        self._define(
            resource,
            ResourceDefined(
                resource,
                str(said.get(names.RESOURCE_KIND, "manager")),
                str(said.get(names.RESOURCE_NAME, otherwise)),
                _int(said, names.RESOURCE_CAPACITY) if isinstance(capacity, int) else None,
            ),
        )

    def _site(self, said: dict[str, Any], base: int) -> int | None:
        file = said.get(names.CODE_FILE_PATH) or said.get("code.filepath")
        if not file:
            return None
        line = said.get(names.CODE_LINE_NUMBER) or said.get("code.lineno") or 0
        function = said.get(names.CODE_FUNCTION_NAME)
        if function is None:  # as it was called before
            function = ".".join(
                str(said[key]) for key in ("code.namespace", "code.function") if said.get(key)
            )
        text = said.get(names.SITE_TEXT, "")
        where = (str(file), _line(line), str(function), str(text))
        site = base + _int(said, names.SITE_ID) if names.SITE_ID in said else self._number(where)
        self._define(site, SiteDefined(site, *where, self._caller(said, base)))
        return site

    def _caller(self, said: dict[str, Any], base: int) -> int | None:
        file = said.get(names.CALLER_FILE_PATH)
        if not file:
            return None
        line, function = _int(said, names.CALLER_LINE_NUMBER), said.get(names.CALLER_FUNCTION_NAME)
        where = (str(file), line, str(function or ""), str(said.get(names.CALLER_TEXT, "")))
        known = names.CALLER_ID in said
        site = base + _int(said, names.CALLER_ID) if known else self._number(where)
        self._define(site, SiteDefined(site, *where))
        return site

    def _task(self, span: Span) -> None:
        base = self._base(span)
        task = base + _int(span.attributes, names.TASK_ID)
        self._define_task(task, span, replace=True)
        if span.attributes.get(names.ENDED):
            self._facts.append(TaskEnded(span.end, task))

    def _define_task(self, task: int, span: Span, *, replace: bool = False) -> None:
        said = span.attributes
        parent = said.get(names.TASK_PARENT)
        defined = TaskDefined(
            span.start,
            task,
            str(said.get(names.TASK_NAME, f"task {task}")),
            str(said.get(names.TASK_RUNTIME, "none")),
            self._base(span) + _int(said, names.TASK_PARENT) if isinstance(parent, int) else None,
            self._process(span),
            str(said.get(names.THREAD_NAME, "")),
        )
        known = self._definitions.get((TaskDefined, task))
        # The first that is seen of a task need not be the earliest.
        if (
            not replace
            and isinstance(known, TaskDefined)
            and (known.at <= span.start or known.parent is not None)
        ):
            return
        self._definitions[TaskDefined, task] = defined

    def _process_span(self, span: Span) -> None:
        process = self._process(span)
        known = self._definitions[ProcessDefined, process]
        assert isinstance(known, ProcessDefined)
        self._definitions[ProcessDefined, process] = ProcessDefined(
            span.start, process, known.pid, known.parent_pid, known.title
        )
        if span.attributes.get(names.ENDED):
            code = span.attributes.get(names.PROCESS_EXIT_CODE)
            self._facts.append(
                ProcessEnded(span.end, known.pid, code if isinstance(code, int) else None)
            )
        for event in span.events:
            text = str(event.attributes.get(names.TEXT, ""))
            match event.name:
                case names.PRINTED_EVENT:
                    stream = str(event.attributes.get(names.STREAM, "stdout"))
                    self._facts.append(Printed(event.at, stream, text))
                case names.MARKED_EVENT:
                    self._facts.append(Marked(event.at, text))
                case names.DROPPED_EVENT:
                    lost = _int(event.attributes, names.DROPPED_ACQUISITIONS)
                    later = bool(event.attributes.get(names.DROPPED_LATER))
                    stops = bool(event.attributes.get(names.DROPPED_STOPS))
                    told = event.attributes.get(names.PROCESS_ORDINAL)
                    of = told if isinstance(told, int) else None
                    self._facts.append(Dropped(event.at, lost, text, of, later, stops))
                case names.INTERRUPTED_EVENT:
                    pid = _int(event.attributes, names.PROCESS_PID)
                    noted_late = bool(event.attributes.get(names.INTERRUPTED_LATE))
                    self._facts.append(Interrupted(event.at, pid, text, noted_late))
                case names.RELEASE_UNMATCHED_EVENT:
                    self._unmatched(event.at, event.attributes, self._base(span))

    def _unmatched(self, at: int, said: dict[str, Any], base: int) -> None:
        task, resource = (base + _int(said, name) for name in (names.TASK_ID, names.RESOURCE_ID))
        self._define_resource(resource, said, "?")
        self._facts.append(ReleaseUnmatched(at, task, resource, self._site(said, base)))

    # -- anybody else's ---------------------------------------------------------------------

    def _bar(self, span: Span) -> None:
        acquisition = self._number(span)
        # A lane for each thread of a service in a trace.
        service = str(span.origin.resource.get(names.SERVICE_NAME, "unknown_service"))
        thread = str(span.attributes.get(names.THREAD_NAME, ""))
        task = self._number(("task", service, thread, span.trace))
        if (TaskDefined, task) not in self._definitions:
            name = f"{service} {thread}".strip()
            defined = TaskDefined(span.start, task, name, "none", None, self._process(span), thread)
            self._definitions[TaskDefined, task] = defined
        resource = self._number(("resource", service, span.name))
        self._define(resource, ResourceDefined(resource, "span", span.name, None))
        parent = self._spans.get((span.trace, span.parent or 0))
        above = None
        if parent is not None and names.PHASE not in parent.attributes:
            above = self._number(parent)
        failed = Outcome.OK if span.error is None else Outcome.ERROR
        error = None if span.error is None else ErrorText(_type(span), span.error)
        manager = span.origin.scope or "span"
        site = self._site(span.attributes, 0) or 0
        self._facts += [
            EnterStarted(span.start, acquisition, above, task, manager, resource, site),
            EnterEnded(span.start, acquisition, Outcome.OK, None),
            ExitStarted(span.end, acquisition, task, failed, error),
            ExitEnded(span.end, acquisition, Outcome.OK, False, None),
        ]

    # -- ids --------------------------------------------------------------------------------

    def _process(self, span: Span) -> int:
        resource = span.origin.resource
        ordinal = resource.get(names.PROCESS_ORDINAL)
        if not isinstance(ordinal, int) or not 0 <= ordinal < _MAX_ORDINAL:
            ordinal = None
        key: object = ordinal
        if ordinal is None:
            key = tuple(
                str(resource.get(name))
                for name in (names.SERVICE_NAME, names.SERVICE_INSTANCE_ID, names.PROCESS_PID)
            )
        process = self._processes.get(key)
        if process is None:
            process = len(self._processes) if ordinal is None else ordinal
            self._processes[key] = process
            service = resource.get(names.SERVICE_NAME, "unknown_service")
            self._definitions[ProcessDefined, process] = ProcessDefined(
                span.start,
                process,
                _int(resource, names.PROCESS_PID),
                _int(resource, names.PROCESS_PARENT_PID),
                str(resource.get(names.PROCESS_COMMAND_LINE, service)),
            )
        return process

    def _base(self, span: Span) -> int:
        process = self._process(span)
        # What was exported from a recording carries the process in its ids already.
        return 0 if names.PROCESS_ORDINAL in span.origin.resource else process << PROCESS_SHIFT

    def _number(self, key: object) -> int:
        """A number of our own for what bears none of ours, out of the way of those that do."""
        if isinstance(key, Span):
            key = (key.trace, key.id)
        return self._numbers.setdefault(key, (1 << 62) + len(self._numbers))

    def _define(self, number: int, definition: Event) -> None:
        self._definitions.setdefault((type(definition), number), definition)


def _int(attributes: dict[str, Any], name: str) -> int:
    """An attribute that is an id, a count or a line; 0 where it is missing or cannot be one."""
    value = attributes.get(name, 0)
    return value if isinstance(value, int) and 0 <= value < _MAX_ID else 0


def _line(value: Any) -> int:
    try:
        line = int(value)
    except (ArithmeticError, TypeError, ValueError):
        return 0
    return line if 0 <= line < 1 << 31 else 0


def _cut_cycles(events: Iterable[Event]) -> Iterator[Event]:
    """Yield ``events``; of acquisitions and tasks that are their own ancestors, cut that link."""
    events = list(events)
    closing = closing_edges(
        (_identity(event), event.parent)
        for event in events
        if isinstance(event, EnterStarted | TaskDefined) and event.parent is not None
    )
    for event in events:
        if (
            isinstance(event, EnterStarted | TaskDefined)
            and event.parent is not None
            and (_identity(event), event.parent) in closing
        ):
            event = replace(event, parent=None)
        yield event


def _identity(event: EnterStarted | TaskDefined) -> int:
    return event.acquisition if isinstance(event, EnterStarted) else event.task


def _unfinished(span: Span) -> bool:
    return bool(span.attributes.get(names.UNFINISHED))


def _outcome(span: Span) -> Outcome:
    word = span.attributes.get(names.OUTCOME)
    known = _OUTCOMES.get(word) if isinstance(word, str) else None
    return known or (Outcome.OK if span.error is None else Outcome.ERROR)


def _error(span: Span | None) -> ErrorText | None:
    if span is None or names.ERROR_TYPE not in span.attributes:
        return None
    said = span.attributes
    return ErrorText(str(said[names.ERROR_TYPE]), str(said.get(names.ERROR_MESSAGE, "")))


def _type(span: Span) -> str:
    for event in span.events:
        if names.EXCEPTION_TYPE in event.attributes:
            return str(event.attributes[names.EXCEPTION_TYPE])
    return "error"
