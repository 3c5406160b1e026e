"""Recorded events -> spans, under ids that are the same each time a recording is exported."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator

from asyncctx_trace.model import conventions as names
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
    WaitEnded,
    WaitStarted,
    WaitTarget,
)
from asyncctx_trace.model.names import undefined_task
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace.spans.attributes import (
    exit_flag_attributes,
    lifecycle_attributes,
    phase_attributes,
    place_attributes,
    release_attributes,
)
from asyncctx_trace.spans.blockers import BlockerTracker
from asyncctx_trace.spans.open_acquisition import OpenAcquisition
from asyncctx_trace.spans.span import Link, Span, SpanEvent
from asyncctx_trace.spans.trace_tree import Trace, TraceOptions, TraceTree
from asyncctx_trace.spans.wait_spans import WaitSpans

__all__ = ["SpanBuilder"]

_SPANS = 4
"""Spans of an acquisition."""
_LINKS_PER_SPAN = 4
"""So many links are as large as a span."""
_WAITERS = 16
"""Waiters that a holder has links to: those that are let in next."""


class SpanBuilder:
    """Makes spans of events as they come.

    A recording is one trace: processes, below them their tasks, below these acquisitions. An
    acquisition is a child of the body that was the innermost one of its task when it began, as in
    the traced process. See :class:`~asyncctx_trace.spans.trace_tree.TraceOptions` for new traces.
    """

    def __init__(self, anchor: Anchor, options: TraceOptions | None = None) -> None:
        """``anchor`` is that of the recording; the ids of its traces depend on it."""
        self._tree = TraceTree(anchor, options or TraceOptions())
        self._open: dict[int, OpenAcquisition] = {}
        self._open_of_task: Counter[int] = Counter()
        """Number of open acquisitions of each task."""
        self._task_ended: dict[int, int] = {}
        """When tasks ended that had open acquisitions at that time."""
        self._waits = WaitSpans(self._tree) if options is not None and options.waits else None
        self._open_by_task: dict[int, list[OpenAcquisition]] = {}
        """The open acquisitions of each task, the innermost last; only if waits are spans."""
        self._trackers: dict[int, BlockerTracker[tuple[int, int]]] = {}
        self._last_exit: dict[int, tuple[int, str]] = {}
        """Resource in use -> the acquisition of it that ended last, and the name of its task."""

    @property
    def in_flight(self) -> int:
        """How many acquisitions have not ended. They have no spans yet."""
        return len(self._open)

    def add(self, events: Iterable[Event]) -> Iterator[Span]:
        """Yield the spans of what ends with ``events``, inner ones first."""
        for event in events:
            yield from self._add(event)

    def finish(self) -> Iterator[Span]:
        """Yield the spans of what has not ended, of tasks and of processes; call it at the end."""
        if self._waits is not None:
            yield from self._waits.finish()
        for open_ in sorted(self._open.values(), key=lambda open_: -open_.started.at):
            yield from self._spans(open_, None)
        self._open.clear()
        yield from self._tree.finish(self._task_ended)

    # -- events -----------------------------------------------------------------------------

    def _add(self, event: Event) -> Iterator[Span]:  # noqa: C901 - a flat list of kinds
        self._tree.end = max(self._tree.end, getattr(event, "at", 0))
        match event:
            case EnterStarted():
                self._enter_started(event)
            case EnterEnded(_, acquisition, outcome, _):
                open_ = self._open.get(acquisition)
                if open_ is not None:
                    yield from self._enter_ended(open_, event, outcome)
            case ExitStarted():
                open_ = self._open.get(event.acquisition)
                if open_ is not None:
                    open_.exit_started = event
            case ExitEnded():
                open_ = self._open.pop(event.acquisition, None)
                if open_ is not None:
                    yield from self._exit_ended(open_, event)
            case Collected(at, acquisition):
                open_ = self._open.get(acquisition)
                if open_ is not None:
                    open_.collected = at
            case TaskEnded(ended, task):
                yield from self._end_task(task, ended)
            case WaitStarted() if self._waits is not None:
                self._waits.started(event, self._innermost_phase(event.task))
            case WaitTarget(_, wait, task) if self._waits is not None:
                self._waits.target(wait, task)
            case WaitEnded() if self._waits is not None:
                yield from self._waits.ended(event)
            case _:
                self._tree.add(event)

    def _end_task(self, task: int, ended: int) -> Iterator[Span]:
        if self._open_of_task[task]:
            self._task_ended[task] = ended
        else:
            yield from self._tree.end_task(task, ended)

    def _innermost_phase(self, task: int) -> tuple[Trace, int] | None:
        """Return trace and span id of the phase that ``task`` is in, ``None`` if in none."""
        open_ = next(reversed(self._open_by_task.get(task, [])), None)
        if open_ is None:
            return None
        return open_.trace, self._tree.id(open_.phase, open_.started.acquisition)

    def _enter_started(self, event: EnterStarted) -> None:
        tree = self._tree
        outer = around = self._open.get(event.parent or 0)
        while around is not None and not around.in_body:
            around = around.outer
        if around is None:
            parent_trace, parent = tree.trace_of(event.task), tree.id("task", event.task)
        else:
            parent_trace = around.trace
            parent = tree.id(names.BODY, around.started.acquisition)
        trace, links = tree.trace_for(
            parent_trace, parent, event.at, names.LIFECYCLE, event.acquisition
        )
        trace.spans += _SPANS
        open_ = self._open[event.acquisition] = OpenAcquisition(event, outer, parent, trace, links)
        if outer is not None:
            open_.began_in = outer.phase
        self._open_of_task[event.task] += 1
        if self._waits is not None:
            self._open_by_task.setdefault(event.task, []).append(open_)
        waiters_before = self._tracker(open_).enter_started(open_.key)
        if tree.limit(event.resource) is not None:
            open_.waiters_before = waiters_before

    def _enter_ended(
        self, open_: OpenAcquisition, event: EnterEnded, outcome: Outcome
    ) -> Iterator[Span]:
        open_.enter_ended = event
        tracker = self._tracker(open_)
        if outcome is Outcome.OK:
            open_.blocker_count, open_.blockers = tracker.enter_succeeded(open_.key)
        else:
            open_.blocker_count, open_.blockers = tracker.enter_failed(open_.key)
        open_.trace.spans += len(open_.blockers) // _LINKS_PER_SPAN
        for holder, _ in open_.blockers:
            still = self._open.get(holder)
            if still is not None and len(still.blocked) < _WAITERS:
                still.blocked.append(open_.key)
        last = self._last_exit.get(open_.started.resource)
        if last is not None and any(last[0] == holder for holder, _ in open_.blockers):
            open_.let_in_by = last
        if outcome is Outcome.OK:
            return
        del self._open[event.acquisition]
        yield from self._spans(open_, None)

    def _exit_ended(self, open_: OpenAcquisition, event: ExitEnded) -> Iterator[Span]:
        tracker = self._tracker(open_)
        resource = open_.started.resource
        known = self._tree.tasks.get(open_.started.task)
        name = undefined_task(open_.started.task) if known is None else known.name
        self._last_exit[resource] = open_.started.acquisition, name
        open_.blocked += tracker.waiting_behind(open_.key, _WAITERS - len(open_.blocked))
        open_.trace.spans += len(open_.blocked) // _LINKS_PER_SPAN
        tracker.exit_ended(open_.key)
        if tracker.idle:
            del self._trackers[resource], self._last_exit[resource]
        yield from self._spans(open_, event)

    # -- spans ------------------------------------------------------------------------------

    def _spans(self, open_: OpenAcquisition, ended: ExitEnded | None) -> Iterator[Span]:
        started, enter_ended, exit_started = open_.started, open_.enter_ended, open_.exit_started
        self._open_of_task[started.task] -= 1
        if not self._open_of_task[started.task]:
            del self._open_of_task[started.task]
        if self._waits is not None:
            around = self._open_by_task[started.task]
            around.remove(open_)
            if not around:
                del self._open_by_task[started.task]
        finished = ended is not None or (
            enter_ended is not None and enter_ended.outcome is not Outcome.OK
        )
        failure = _failure(open_, ended) if finished else None
        open_.ended, open_.parent = True, self._parent(open_)
        open_.outer = None  # an endless chain of acquisitions must not be kept
        self._note_error(open_, ended)
        enter = self._phase(open_, names.ENTER, started.at, enter_ended, failure)
        if open_.waiters_before is not None:
            enter.attributes[names.WAITERS_BEFORE] = open_.waiters_before
            enter.attributes[names.BLOCKERS] = open_.blocker_count
            enter.links = self._links(open_.blockers, names.BLOCKED_BY)
        yield enter
        if enter_ended is not None and enter_ended.outcome is Outcome.OK:
            yield self._body(open_, enter_ended, exit_started, failure)
        if exit_started is not None:
            yield self._exit(open_, exit_started, ended, failure)
        yield self._lifecycle(open_, ended, finished, failure)

    def _parent(self, open_: OpenAcquisition) -> int:
        """Return the parent of the lifecycle span of ``open_``, which ends now.

        That is the phase in which it began or, if it outlasts an enter or an exit, what is around
        that.
        """
        outer = open_.outer
        if outer is None or open_.began_in == names.BODY or open_.trace is not outer.trace:
            return open_.parent
        if outer.ended:
            return outer.parent
        phase = open_.began_in if outer.phase == open_.began_in else names.LIFECYCLE
        return self._tree.id(phase, outer.started.acquisition)

    def _links(self, keys: Iterable[tuple[int, int]], kind: str) -> list[Link]:
        """Return links to lifecycle spans."""
        tree = self._tree
        return [
            Link(trace, tree.id(names.LIFECYCLE, acquisition), {names.LINK_KIND: kind})
            for acquisition, trace in keys
        ]

    def _body(
        self,
        open_: OpenAcquisition,
        enter_ended: EnterEnded,
        exit_started: ExitStarted | None,
        failure: ErrorText | None,
    ) -> Span:
        repeated = exit_started is not None and exit_started.error == open_.inner_error
        span = self._phase(open_, names.BODY, enter_ended.at, exit_started, failure, repeated)
        span.links = self._links(open_.blocked, names.BLOCKS)
        if open_.let_in_by is not None:
            span.attributes[names.LET_IN_BY], span.attributes[names.LET_IN_BY_TASK] = (
                open_.let_in_by
            )
        return span

    def _exit(
        self,
        open_: OpenAcquisition,
        exit_started: ExitStarted,
        ended: ExitEnded | None,
        failure: ErrorText | None,
    ) -> Span:
        repeated = ended is not None and ended.error == exit_started.error
        span = self._phase(open_, names.EXIT, exit_started.at, ended, failure, repeated)
        attributes, task = span.attributes, exit_started.task
        if task != open_.started.task:
            attributes[names.EXIT_TASK_ID] = task
            if task in self._tree.tasks:
                attributes[names.EXIT_TASK_NAME] = self._tree.tasks[task].name
        if ended is not None:
            attributes[names.SUPPRESSED] = ended.suppressed
            attributes |= exit_flag_attributes(ended.flags)
        site = self._tree.sites.get(exit_started.site or 0)
        if site is not None:
            attributes |= release_attributes(site)
            attributes[names.SITE_ID] = exit_started.site
        return span

    def _lifecycle(
        self,
        open_: OpenAcquisition,
        ended: ExitEnded | None,
        finished: bool,
        failure: ErrorText | None,
    ) -> Span:
        started, tree = open_.started, self._tree
        resource = self._resource(started)
        task = tree.tasks.get(started.task) or TaskDefined(
            started.at, started.task, undefined_task(started.task), "none", None, 0, ""
        )
        site = tree.sites.get(started.site)
        attributes = lifecycle_attributes(
            started.acquisition,
            started.manager,
            (started.resource, resource),
            site,
            (started.task, task),
            None if site is None else tree.sites.get(site.caller or 0),
            started.by_call,
        )
        if site is not None:
            attributes[names.SITE_ID] = started.site
            if site.caller is not None:
                attributes[names.CALLER_ID] = site.caller
        if started.parent is not None:
            attributes[names.PARENT_ACQUISITION] = started.parent
        last = ended or open_.exit_started or open_.enter_ended
        end = last.at if finished and last is not None else max(tree.end, started.at)
        if finished:
            attributes[names.OUTCOME] = names.OUTCOMES[_outcome(open_, ended)]
            attributes[names.SUPPRESSED] = ended is not None and ended.suppressed
        else:
            attributes[names.UNFINISHED] = True
        if failure is not None:
            attributes[names.FAILURE_TYPE] = failure.type.removeprefix("builtins.")
        events = []
        if open_.collected is not None:
            events.append(SpanEvent(tree.wall(open_.collected), names.COLLECTED_EVENT, {}))
        return Span(
            tree.origin(task.process),
            open_.trace.id,
            tree.id(names.LIFECYCLE, started.acquisition),
            None if open_.links else open_.parent,
            names.span_name(resource.name),
            tree.wall(started.at),
            tree.wall(end),
            attributes,
            events=events,
            links=open_.links,
            error=None if failure is None else _description(failure),
        )

    def _phase(
        self,
        open_: OpenAcquisition,
        phase: str,
        start: int,
        ended: EnterEnded | ExitStarted | ExitEnded | None,
        failure: ErrorText | None,
        repeated: bool = False,
    ) -> Span:
        """Make the span of a phase; ``repeated`` if another phase has recorded its error."""
        tree, acquisition = self._tree, open_.started.acquisition
        task = tree.tasks.get(open_.started.task)
        span = Span(
            tree.origin(0 if task is None else task.process),
            open_.trace.id,
            tree.id(phase, acquisition),
            tree.id(names.LIFECYCLE, acquisition),
            phase,
            tree.wall(start),
            tree.wall(max(tree.end, start) if ended is None else ended.at),
        )
        started = open_.started
        place = place_attributes(self._resource(started), tree.sites.get(started.site))
        if ended is None:
            span.attributes = {names.PHASE: phase, names.UNFINISHED: True, **place}
            return span
        error = ended.error
        description = None if error is None else (error.type, error.message)
        span.attributes = {**phase_attributes(phase, ended.outcome, description), **place}
        if error is not None and not repeated and ended.outcome is not Outcome.CANCELLED:
            attributes = {names.EXCEPTION_TYPE: error.type, names.EXCEPTION_MESSAGE: error.message}
            span.events.append(SpanEvent(span.end, names.EXCEPTION_EVENT, attributes))
        if error is not None and error is failure:
            span.error = _description(error)
            span.attributes[names.FAILURE_TYPE] = error.type.removeprefix("builtins.")
        return span

    def _resource(self, started: EnterStarted) -> ResourceDefined:
        return self._tree.resources.get(started.resource) or ResourceDefined(
            started.resource, "manager", started.manager, None
        )

    def _note_error(self, open_: OpenAcquisition, ended: ExitEnded | None) -> None:
        """Note in the acquisition around this one which error left it."""
        parent = self._open.get(open_.started.parent or 0)
        if parent is None:
            return
        enter_ended, exit_started = open_.enter_ended, open_.exit_started
        error = None
        if ended is not None and ended.error is not None:
            error = ended.error
        elif exit_started is not None and not (ended is not None and ended.suppressed):
            error = exit_started.error
        elif enter_ended is not None:
            error = enter_ended.error
        parent.inner_error = error

    def _tracker(self, open_: OpenAcquisition) -> BlockerTracker[tuple[int, int]]:
        resource = open_.started.resource
        tracker = self._trackers.get(resource)
        if tracker is None:
            limit = self._tree.limit(resource)
            tracker = BlockerTracker(sys.maxsize if limit is None else limit)
            self._trackers[resource] = tracker
        return tracker


def _failure(open_: OpenAcquisition, ended: ExitEnded | None) -> ErrorText | None:
    """Return the error that left the ``async with``; ``None`` for a cancellation."""
    for event in (ended, open_.enter_ended, open_.exit_started):
        if event is not None and event.error is not None:
            if event is open_.exit_started and ended is not None and ended.suppressed:
                return None
            return None if event.outcome is Outcome.CANCELLED else event.error
    return None


def _outcome(open_: OpenAcquisition, ended: ExitEnded | None) -> Outcome:
    """Return the outcome of the whole: that of the last phase that did not end well."""
    if ended is None or open_.exit_started is None:
        return Outcome.OK if open_.enter_ended is None else open_.enter_ended.outcome
    if ended.error is not None or ended.suppressed:
        return ended.outcome
    return open_.exit_started.outcome


def _description(error: ErrorText) -> str:
    return f"{error.type}: {error.message}"
