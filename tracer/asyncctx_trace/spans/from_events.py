"""Facts -> spans, under ids that are the same however often a recording is exported."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from asyncctx_trace.model import conventions as names
from asyncctx_trace.model.constants import NEW_TRACE_AFTER
from asyncctx_trace.model.events import (
    Collected,
    EnterEnded,
    EnterStarted,
    ErrorText,
    Event,
    ExitEnded,
    ExitStarted,
    Outcome,
    ResourceDefined,
    TaskDefined,
    TaskEnded,
)
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace.spans.attributes import (
    exit_flag_attributes,
    lifecycle_attributes,
    phase_attributes,
    site_attributes,
)
from asyncctx_trace.spans.blockers import BlockerTracker
from asyncctx_trace.spans.span import Link, Span, SpanEvent
from asyncctx_trace.spans.trace_tree import Trace, TraceTree

__all__ = ["SpanBuilder"]


@dataclass(slots=True)
class _Open:
    """An acquisition that has not ended."""

    started: EnterStarted
    trace: Trace
    links: list[Link]
    waiters_before: int | None = None
    entered: EnterEnded | None = None
    left: ExitStarted | None = None
    collected: int | None = None
    blockers: tuple[tuple[int, int], ...] = ()
    """Acquisition and trace of each."""
    blocker_count: int = 0
    inner_error: ErrorText | None = None
    """What left the last acquisition inside it."""


class SpanBuilder:
    """Makes spans of facts as they come; ``anchor`` is the recording's, and names its traces.

    A recording is one trace: processes, their tasks, the acquisitions of these. What begins more
    than ``new_trace_after`` seconds later begins a trace of its own, linked to where it belongs.
    """

    def __init__(self, anchor: Anchor, new_trace_after: float = NEW_TRACE_AFTER) -> None:
        self._around = TraceTree(anchor, new_trace_after)
        self._open: dict[int, _Open] = {}
        self._busy: Counter[int] = Counter()
        """How many acquisitions each task has open."""
        self._ended: dict[int, int] = {}
        """When tasks ended that had some open then."""
        self._contentions: dict[int, BlockerTracker[tuple[int, int]]] = {}

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
        yield from self._around.finish(self._ended)

    # -- facts ------------------------------------------------------------------------------

    def _take(self, event: Event) -> Iterator[Span]:
        self._around.end = max(self._around.end, getattr(event, "at", 0))
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
                    contention = self._contention(open_)
                    contention.exit_ended(_key(open_))
                    if contention.idle:
                        del self._contentions[open_.started.resource]
                    yield from self._spans(open_, event)
            case Collected(at, acquisition):
                open_ = self._open.get(acquisition)
                if open_ is not None:
                    open_.collected = at
            case TaskEnded(ended, task):
                if self._busy[task]:
                    self._ended[task] = ended
                else:
                    yield from self._around.task_gone(task, ended)
            case _:
                self._around.take(event)

    def _started(self, event: EnterStarted) -> None:
        around = self._around
        parent = self._open.get(event.parent or 0)
        if parent is None:
            above, where = around.trace_of(event.task), around.id("task", event.task)
        else:
            above, where = parent.trace, around.id(names.BODY, parent.started.acquisition)
        number = event.acquisition
        trace, links = around.within(above, event.at, names.LIFECYCLE, number, where)
        open_ = self._open[event.acquisition] = _Open(event, trace, links)
        self._busy[event.task] += 1
        ahead = self._contention(open_).enter_started(_key(open_))
        if around.limit(event.resource) is not None:
            open_.waiters_before = ahead

    def _entered(self, open_: _Open, event: EnterEnded, outcome: Outcome) -> Iterator[Span]:
        open_.entered = event
        contention = self._contention(open_)
        if outcome is Outcome.OK:
            open_.blocker_count, open_.blockers = contention.enter_succeeded(_key(open_))
            return
        open_.blocker_count, open_.blockers = contention.enter_failed(_key(open_))
        del self._open[event.acquisition]
        yield from self._spans(open_, None)

    # -- spans ------------------------------------------------------------------------------

    def _spans(self, open_: _Open, ended: ExitEnded | None) -> Iterator[Span]:
        started, entered, left = open_.started, open_.entered, open_.left
        self._busy[started.task] -= 1
        if not self._busy[started.task]:
            del self._busy[started.task]
        finished = ended is not None or (entered is not None and entered.outcome is not Outcome.OK)
        failed = _failed(open_, ended) if finished else None
        self._tell_parent(started, entered, left, ended)
        enter = self._phase(open_, names.ENTER, started.at, entered, failed)
        if open_.waiters_before is not None:
            enter.attributes[names.WAITERS_BEFORE] = open_.waiters_before
            enter.attributes[names.BLOCKERS] = open_.blocker_count
            enter.links = [
                Link(
                    trace,
                    self._around.id(names.LIFECYCLE, holder),
                    {names.LINK_KIND: names.BLOCKED_BY},
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
                if left.task in self._around.tasks:
                    exit_.attributes[names.EXIT_TASK_NAME] = self._around.tasks[left.task].name
            if ended is not None:
                exit_.attributes[names.SUPPRESSED] = ended.suppressed
                exit_.attributes |= exit_flag_attributes(ended.flags)
            if left.site is not None and left.site in self._around.sites:
                exit_.attributes |= site_attributes(self._around.sites[left.site])
                exit_.attributes[names.SITE_ID] = left.site
            yield exit_
        yield self._lifecycle(open_, ended, finished, failed)

    def _lifecycle(
        self, open_: _Open, ended: ExitEnded | None, finished: bool, failed: ErrorText | None
    ) -> Span:
        started, known = open_.started, self._around
        resource = known.resources.get(started.resource) or ResourceDefined(
            started.resource, "manager", started.manager, None
        )
        task = known.tasks.get(started.task) or TaskDefined(
            started.at, started.task, f"task {started.task}", "none", None, 0, ""
        )
        site = known.sites.get(started.site)
        attributes = lifecycle_attributes(
            started.acquisition,
            started.manager,
            (started.resource, resource),
            site,
            (started.task, task),
            None if site is None else known.sites.get(site.caller or 0),
            started.by_call,
        )
        if site is not None:
            attributes[names.SITE_ID] = started.site
            if site.caller is not None:
                attributes[names.CALLER_ID] = site.caller
        if started.parent is not None:
            attributes[names.PARENT_ACQUISITION] = started.parent
        last = ended or open_.left or open_.entered
        end = last.at if finished and last is not None else max(self._around.end, started.at)
        if finished:
            attributes[names.OUTCOME] = names.OUTCOMES[_outcome(open_, ended)]
            attributes[names.SUPPRESSED] = ended is not None and ended.suppressed
        else:
            attributes[names.UNFINISHED] = True
        parent = None
        if not open_.links:
            parent = (
                self._around.id(names.BODY, started.parent)
                if started.parent is not None
                else self._around.id("task", started.task)
            )
        events = []
        if open_.collected is not None:
            events.append(SpanEvent(self._around.wall(open_.collected), names.COLLECTED_EVENT, {}))
        return Span(
            self._around.origin(task.process),
            open_.trace.id,
            self._around.id(names.LIFECYCLE, started.acquisition),
            parent,
            names.span_name(resource.name),
            self._around.wall(started.at),
            self._around.wall(end),
            attributes,
            events=events,
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
        acquisition, task = open_.started.acquisition, self._around.tasks.get(open_.started.task)
        end = max(self._around.end, start) if ended is None else ended.at
        span = Span(
            self._around.origin(0 if task is None else task.process),
            open_.trace.id,
            self._around.id(phase, acquisition),
            self._around.id(names.LIFECYCLE, acquisition),
            phase,
            self._around.wall(start),
            self._around.wall(end),
        )
        if ended is None:
            span.attributes = {names.PHASE: phase, names.UNFINISHED: True}
            return span
        error = ended.error
        words = None if error is None else (error.type, error.message)
        span.attributes = phase_attributes(phase, ended.outcome, words)
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

    def _contention(self, open_: _Open) -> BlockerTracker[tuple[int, int]]:
        resource = open_.started.resource
        found = self._contentions.get(resource)
        if found is None:
            # Where everybody may come in nobody is ever in the way.
            limit = self._around.limit(resource)
            found = BlockerTracker(sys.maxsize if limit is None else limit)
            self._contentions[resource] = found
        return found


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
