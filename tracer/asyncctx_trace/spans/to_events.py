"""Spans -> events: all of ours, and each foreign span as an acquisition without phases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from operator import attrgetter
from typing import Any

from asyncctx_trace.model import conventions as names
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
    ProcessEnded,
    ReleaseUnmatched,
    StallEnded,
    StallStarted,
    TaskDefined,
    TaskEnded,
    WaitEnded,
    WaitStarted,
    WaitTarget,
)
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace.spans.attributes import exit_flags_from
from asyncctx_trace.spans.definition_reader import DefinitionReader, to_int
from asyncctx_trace.spans.parent_cycles import closing_edges
from asyncctx_trace.spans.span import Attributes, Span, SpanEvent

__all__ = ["events_of"]

_OUTCOMES = {word: Outcome(value) for value, word in enumerate(names.OUTCOMES) if word}
_PHASES = (names.ENTER, names.BODY, names.EXIT)
_WAIT_KINDS = {kind.label: kind for kind in WaitKind}
_LARGEST_ID = 1 << 62
_LONGEST_STALL = 1e9
"""Seconds from which on the length of a stall is not believed."""
_LINE_DIGITS = 10


def events_of(spans: Iterable[Span]) -> list[Event]:
    """Return the events that ``spans`` describe: definitions first, then in order of time.

    Times are ns since 1970. A foreign span becomes an acquisition of a resource with the name of
    the span, with a body as long as the span and nothing else.
    """
    return _EventReader(list(spans)).events()


class _EventReader:
    def __init__(self, spans: list[Span]) -> None:
        self._spans = {(span.trace, span.id): span for span in spans}
        self._phases: dict[tuple[int, int], dict[str, Span]] = {}
        """Trace and id of a lifecycle -> name of a phase -> its span."""
        for span in spans:
            phase = span.attributes.get(names.PHASE)
            if span.parent is not None and phase in _PHASES:
                self._phases.setdefault((span.trace, span.parent), {})[phase] = span
        self._reader = DefinitionReader()
        self._events: list[Any] = []

    def events(self) -> list[Event]:
        foreign = []
        for span in self._spans.values():
            match span.attributes.get(names.PHASE):
                case names.LIFECYCLE:
                    self._add_acquisition(span)
                case names.WAIT:
                    self._add_wait(span)
                case names.TASK:
                    self._add_task(span)
                case names.PROCESS:
                    self._add_process(span)
                case names.ENTER | names.BODY | names.EXIT:
                    pass  # read with its lifecycle
                case _:
                    foreign.append(span)
        for span in sorted(foreign, key=lambda span: (span.start, -span.end)):
            self._add_foreign(span)
        self._events.sort(key=attrgetter("at"))
        definitions = self._reader.definitions.values()
        return [*_without_cycles(definitions), *_without_cycles(self._events)]

    # -- ours -------------------------------------------------------------------------------

    def _add_acquisition(self, span: Span) -> None:
        reader, attributes = self._reader, span.attributes
        offset = reader.offset(span)
        acquisition = offset + to_int(attributes, names.ACQUISITION)
        task = offset + to_int(attributes, names.TASK_ID)
        reader.define_task(task, span)
        resource = offset + to_int(attributes, names.RESOURCE_ID)
        reader.define_resource(resource, attributes, span.name)
        phases = self._phases.get((span.trace, span.id), {})
        enter, body, exit_ = (phases.get(phase) for phase in _PHASES)
        self._events.append(
            EnterStarted(
                span.start,
                acquisition,
                self._parent(span, offset),
                task,
                str(attributes.get(names.MANAGER, "?")),
                resource,
                reader.define_site(attributes, offset) or 0,
                bool(attributes.get(names.BY_CALL)),
            )
        )
        self._events += [
            Collected(event.at, acquisition)
            for event in span.events
            if event.name == names.COLLECTED_EVENT
        ]
        if enter is None or not _unfinished(enter):
            at = enter.end if enter is not None else span.start
            outcome = Outcome.OK if enter is None else _outcome(enter)
            self._events.append(EnterEnded(at, acquisition, outcome, _error(enter)))
            if outcome is not Outcome.OK:
                return
        elif body is None:
            return
        if not _unfinished(span if body is None else body):
            self._add_exit(span, acquisition, task, body, exit_)

    def _add_exit(
        self, span: Span, acquisition: int, task: int, body: Span | None, exit_: Span | None
    ) -> None:
        offset = self._reader.offset(span)
        attributes: Attributes = {} if exit_ is None else exit_.attributes
        # Before phases repeated their place, an exit had the site of a call alone.
        by_call = names.BY_CALL in attributes or names.RESOURCE_NAME not in attributes
        if names.EXIT_TASK_ID in attributes:
            task = offset + to_int(attributes, names.EXIT_TASK_ID)
        self._events.append(
            ExitStarted(
                span.end if body is None else body.end,
                acquisition,
                task,
                Outcome.OK if body is None else _outcome(body),
                _error(body),
                self._reader.define_site(attributes, offset) if by_call else None,
            )
        )
        if exit_ is not None and _unfinished(exit_):
            return
        self._events.append(
            ExitEnded(
                span.end,
                acquisition,
                Outcome.OK if exit_ is None else _outcome(exit_),
                bool(span.attributes.get(names.SUPPRESSED)),
                _error(exit_),
                exit_flags_from(attributes),
            )
        )

    def _parent(self, span: Span, offset: int) -> int | None:
        """Return the id of the acquisition around that of ``span``."""
        if names.PARENT_ACQUISITION in span.attributes:
            return offset + to_int(span.attributes, names.PARENT_ACQUISITION)
        phase = self._spans.get((span.trace, span.parent or 0))
        if phase is None or phase.attributes.get(names.PHASE) not in _PHASES:
            return None
        around = self._spans.get((phase.trace, phase.parent or 0))
        if around is None or names.ACQUISITION not in around.attributes:
            return None
        # Spans nest across tasks, acquisitions only within a task.
        if around.attributes.get(names.TASK_ID) != span.attributes.get(names.TASK_ID):
            return None
        return self._reader.offset(around) + to_int(around.attributes, names.ACQUISITION)

    def _add_wait(self, span: Span) -> None:
        """Add a wait for something other than a manager."""
        reader, attributes = self._reader, span.attributes
        kind = _WAIT_KINDS.get(str(attributes.get(names.WAIT_KIND)))
        if kind is None:
            return  # of a later version
        offset = reader.offset(span)
        wait = offset + to_int(attributes, names.WAIT_ID)
        task = offset + to_int(attributes, names.TASK_ID)
        reader.define_task(task, span)
        listed = attributes.get(names.WAIT_TASKS)
        awaited = (
            [offset + each for each in listed if isinstance(each, int) and 0 < each < _LARGEST_ID]
            if isinstance(listed, list | tuple)
            else []
        )
        subject = awaited[0] if len(awaited) == 1 else None
        if names.RESOURCE_ID in attributes:
            subject = offset + to_int(attributes, names.RESOURCE_ID)
            reader.define_resource(subject, attributes, "?")
        site = reader.define_site(attributes, offset) or 0
        self._events.append(WaitStarted(span.start, wait, task, subject, site, kind))
        if len(awaited) > 1:
            self._events += [WaitTarget(span.start, wait, each) for each in awaited]
        if not _unfinished(span):
            waker = to_int(attributes, names.WAIT_WOKEN_BY)
            woken_by = offset + waker if waker else None
            self._events.append(WaitEnded(span.end, wait, _outcome(span), woken_by))

    def _add_task(self, span: Span) -> None:
        task = self._reader.offset(span) + to_int(span.attributes, names.TASK_ID)
        self._reader.define_task(task, span, replace=True)
        if span.attributes.get(names.ENDED):
            self._events.append(TaskEnded(span.end, task))

    def _add_process(self, span: Span) -> None:
        process = self._reader.start_process(span)
        if span.attributes.get(names.ENDED):
            code = span.attributes.get(names.PROCESS_EXIT_CODE)
            exit_code = code if isinstance(code, int) else None
            self._events.append(ProcessEnded(span.end, process.pid, exit_code))
        for event in span.events:
            self._add_note(event, self._reader.offset(span))

    def _add_note(self, event: SpanEvent, offset: int) -> None:
        """Add an event of a process that belongs to no acquisition."""
        at, attributes = event.at, event.attributes
        text = str(attributes.get(names.TEXT, ""))
        match event.name:
            case names.PRINTED_EVENT:
                stream = str(attributes.get(names.STREAM, "stdout"))
                self._events.append(Printed(at, stream, text))
            case names.MARKED_EVENT:
                self._events.append(Marked(at, text))
            case names.DROPPED_EVENT:
                count = to_int(attributes, names.DROPPED_ACQUISITIONS)
                later = bool(attributes.get(names.DROPPED_LATER))
                stops = bool(attributes.get(names.DROPPED_STOPS))
                ordinal = attributes.get(names.PROCESS_ORDINAL)
                process = ordinal if isinstance(ordinal, int) else None
                self._events.append(Dropped(at, count, text, process, later, stops))
            case names.INTERRUPTED_EVENT:
                pid = to_int(attributes, names.PROCESS_PID)
                late = bool(attributes.get(names.INTERRUPTED_LATE))
                self._events.append(Interrupted(at, pid, text, late))
            case names.STALL_EVENT:
                self._add_stall(event, offset)
            case names.RELEASE_UNMATCHED_EVENT:
                task = offset + to_int(attributes, names.TASK_ID)
                resource = offset + to_int(attributes, names.RESOURCE_ID)
                self._reader.define_resource(resource, attributes, "?")
                site = self._reader.define_site(attributes, offset)
                self._events.append(ReleaseUnmatched(at, task, resource, site))

    def _add_stall(self, event: SpanEvent, offset: int) -> None:
        attributes = event.attributes
        stall = self._reader.own_id(("stall", event.at, offset))
        task = offset + to_int(attributes, names.TASK_ID) if names.TASK_ID in attributes else None
        site = self._reader.define_site(attributes, offset)
        listed = attributes.get(names.STALL_STACK)
        stack = [_frame(str(text)) for text in listed] if isinstance(listed, list | tuple) else []
        self._events.append(StallStarted(event.at, event.at, stall, task, site, tuple(stack)))
        seconds = attributes.get(names.STALL_DURATION)
        if isinstance(seconds, int | float) and 0 <= seconds < _LONGEST_STALL:
            ended = event.at + round(seconds * 1e9)
            collections = to_int(attributes, names.STALL_COLLECTIONS)
            seconds = attributes.get(names.STALL_DELAYED, 0)
            known = isinstance(seconds, int | float) and 0 <= seconds < _LONGEST_STALL
            delayed = round(seconds * 1e9) if known else 0
            self._events.append(StallEnded(ended, stall, collections, delayed))

    # -- foreign spans ----------------------------------------------------------------------

    def _add_foreign(self, span: Span) -> None:
        reader = self._reader
        acquisition = reader.own_id(span)
        parent = self._spans.get((span.trace, span.parent or 0))
        around = None
        if parent is not None and names.PHASE not in parent.attributes:
            around = reader.own_id(parent)
        task, resource = reader.define_foreign_task(span), reader.define_foreign_resource(span)
        manager = span.origin.scope or "span"
        site = reader.define_site(span.attributes, 0) or 0
        outcome = Outcome.OK if span.error is None else Outcome.ERROR
        error = None if span.error is None else ErrorText(_error_type(span), span.error)
        self._events += [
            EnterStarted(span.start, acquisition, around, task, manager, resource, site),
            EnterEnded(span.start, acquisition, Outcome.OK, None),
            ExitStarted(span.end, acquisition, task, outcome, error),
            ExitEnded(span.end, acquisition, Outcome.OK, False, None),
        ]


def _without_cycles(events: Iterable[Event]) -> Iterator[Event]:
    """Yield ``events``, with acquisitions and tasks that are their own ancestors cut loose."""
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


def _frame(text: str) -> tuple[str, int, str]:
    """Return file, line and function of ``app.py:12 main``."""
    place, _, function = text.rpartition(" ")
    file, _, line = place.rpartition(":")
    return file, int(line) if line.isdecimal() and len(line) < _LINE_DIGITS else 0, function


def _unfinished(span: Span) -> bool:
    return bool(span.attributes.get(names.UNFINISHED))


def _outcome(span: Span) -> Outcome:
    word = span.attributes.get(names.OUTCOME)
    outcome = _OUTCOMES.get(word) if isinstance(word, str) else None
    return outcome or (Outcome.OK if span.error is None else Outcome.ERROR)


def _error(span: Span | None) -> ErrorText | None:
    if span is None or names.ERROR_TYPE not in span.attributes:
        return None
    attributes = span.attributes
    return ErrorText(
        str(attributes[names.ERROR_TYPE]), str(attributes.get(names.ERROR_MESSAGE, ""))
    )


def _error_type(span: Span) -> str:
    for event in span.events:
        if names.EXCEPTION_TYPE in event.attributes:
            return str(event.attributes[names.EXCEPTION_TYPE])
    return "error"
