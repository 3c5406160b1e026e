"""The sink of spans and metrics: what has to happen on the program's task, and nothing else."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable

from opentelemetry import context as context_api
from opentelemetry.context import Context

from asyncctx_trace.instrument import span_scope
from asyncctx_trace.model.capacity import limit_of
from asyncctx_trace.model.outcomes import EnterFlag
from asyncctx_trace.otel.current_context import current, make_current
from asyncctx_trace.otel.definitions import ResourceInfo, SiteInfo, TaskInfo
from asyncctx_trace.otel.live_acquisition import LiveAcquisition
from asyncctx_trace.otel.strategies.body import BodySpan
from asyncctx_trace.otel.strategies.strategy import SPAN_KEY, SpanStrategy
from asyncctx_trace.otel.worker import Worker

__all__ = ["SpanSink"]

_UNKNOWN_TASK = TaskInfo(0, "?", "none", "?")
_BY_CALL = int(EnterFlag.BY_CALL)
_TRACED = int(EnterFlag.TRACED)
_RESOURCE_LIMIT = 65_536
"""Definitions of resources that are kept at first."""
_SUPPRESS = (
    "suppress_instrumentation",
    getattr(context_api, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation"),
)
"""Keys of a context in which nothing is to be traced, such as an exporter's own work."""


class SpanSink:
    """Makes the body's span current on the task, and queues each acquisition for ``worker``.

    A program may make locks without end. When too many resources are defined, all definitions are
    dropped, and ``send_definitions`` sends those of living resources again when they are needed.
    """

    strategy: SpanStrategy | None = None
    """How to make spans; ``None`` if there are only measurements."""

    def __init__(self, worker: Worker, send_definitions: Callable[[SpanSink], object]) -> None:
        self._send_definitions = send_definitions
        self._resource_limit = _RESOURCE_LIMIT
        self._worker = worker
        self._queue: deque[LiveAcquisition] = worker.queue
        self._open: dict[int, LiveAcquisition] = {}
        self._left_out: dict[int, LiveAcquisition] = {}
        """Open acquisition without spans -> the innermost one with spans around it."""
        self._managers: dict[int, str] = {}
        self._sites: dict[int, SiteInfo] = {}
        self._resources: dict[int, ResourceInfo] = {}
        self._tasks: dict[int, TaskInfo] = {}

    @property
    def in_flight(self) -> int:
        """Acquisitions that have not ended."""
        return len(self._open)

    def before_fork(self) -> None:
        """Take the ids of all open bodies, so that both processes know them by the same ids."""
        for live in list(self._open.values()):
            if live.body is not None:
                live.body.get_span_context()

    def restart_in_child(self) -> None:
        """Drop what is open or queued: the parent makes those spans."""
        self._open.clear()
        self._left_out.clear()
        self._worker.restart_in_child()

    # -- definitions ------------------------------------------------------------------------

    def manager_defined(self, manager: int, name: str) -> None:
        self._managers[manager] = name

    def site_defined(
        self, site: int, file: str, line: int, function: str, text: str, caller: int = 0
    ) -> None:
        self._sites[site] = SiteInfo(file, line, function, text, self._sites.get(caller))

    def resource_defined(self, resource: int, kind: str, name: str, capacity: int | None) -> None:
        if len(self._resources) >= self._resource_limit:
            self._resources.clear()
        self._resources[resource] = ResourceInfo(
            resource, kind, name, capacity, limit_of(kind, capacity)
        )

    def task_defined(
        self,
        at: int,
        task: int,
        name: str,
        runtime: str,
        parent: int,
        thread: str,
        coroutine: str = "",
    ) -> None:
        self._tasks[task] = TaskInfo(task, name, runtime, thread)

    def task_ended(self, at: int, task: int) -> None:
        self._tasks.pop(task, None)

    # -- events -----------------------------------------------------------------------------

    def enter_started(
        self,
        at: int,
        acquisition: int,
        parent: int,
        task: int,
        manager: int,
        resource: int,
        site: int,
        flags: int = 0,
    ) -> None:
        if not (flags & _TRACED or span_scope.rewritten_code):
            around = self._open.get(parent) or self._left_out.get(parent)
            if around is not None:
                self._left_out[acquisition] = around
            return
        context = current()
        if context and (_SUPPRESS[0] in context or _SUPPRESS[1] in context):
            return
        worker = self._worker
        if len(self._queue) > worker.limit:
            worker.drop()
            return
        known = self._resources.get(resource) or self._missing_resource(resource)
        strategy = self.strategy
        never_sampled = False
        if context:
            context = _without_ended_bodies(context, task)
            never_sampled = strategy is not None and strategy.is_never_sampled(context)
            if never_sampled and known.limit is None and worker.measurements is None:
                return  # it blocks nobody and is not measured
        live = LiveAcquisition(
            acquisition,
            at,
            self._open.get(parent) or self._left_out.get(parent),
            self._tasks.get(task, _UNKNOWN_TASK),
            self._managers[manager],
            known,
            self._sites.get(site),
            context,
        )
        if flags & _BY_CALL:
            live.by_call = True
        if never_sampled:
            live.never_sampled = True
        elif strategy is not None and strategy.eager:
            strategy.start_on_task(live)
        self._open[acquisition] = live
        self._queue.append(live)
        if worker.asleep:
            worker.wake()

    def enter_ended(
        self, at: int, acquisition: int, outcome: int, error: BaseException | None
    ) -> None:
        live = self._open.get(acquisition)
        if live is None:
            if error is not None and self._left_out:
                self._left_out.pop(acquisition, None)
            return
        live.enter_ended = at
        live.enter_outcome = outcome
        if error is not None:
            del self._open[acquisition]
            live.enter_error = live.describe_error(error, outcome)
        elif self.strategy is not None and not live.never_sampled:
            before = current()
            body = live.body = self.strategy.body_span(live, before)
            # As set_span_in_context does, with two copies less.
            make_current(Context({**before, SPAN_KEY: body}))
        self._queue.append(live)

    def exit_started(
        self,
        at: int,
        acquisition: int,
        task: int,
        outcome: int,
        error: BaseException | None,
        site: int = 0,
    ) -> None:
        live = self._open.get(acquisition)
        if live is None:
            return
        live.exit_started = at
        live.body_outcome = outcome
        if task != live.task.id:
            live.exit_task = self._tasks.get(task, _UNKNOWN_TASK)
        if site:
            live.exit_site = self._sites.get(site)
        if error is not None:
            live.body_error = live.describe_error(error, outcome)
        body = live.body
        if body is not None:
            body.ended = True
            # Another span is current here if the exit runs in another task or context, or out of
            # order. Then `_without_ended_bodies` removes the body later, where it is current. A
            # token to reset would be refused there, and the refusal logged.
            if current().get(SPAN_KEY) is body:
                before = body.before
                if before is not None:
                    make_current(_without_ended_bodies(before, live.task.id) if before else before)

    def exit_ended(
        self,
        at: int,
        acquisition: int,
        outcome: int,
        suppressed: bool,
        error: BaseException | None,
        flags: int = 0,
    ) -> None:
        live = self._open.pop(acquisition, None)
        if live is None:
            if self._left_out:
                self._left_out.pop(acquisition, None)
            return
        live.exit_ended = at
        live.exit_outcome = outcome
        if suppressed:
            live.suppressed = True
        if flags:
            live.exit_flags = flags
        if error is not None:
            live.exit_error = live.describe_error(error, outcome)
        self._queue.append(live)

    def release_unmatched(self, at: int, task: int, resource: int, site: int) -> None:
        """Do nothing: it belongs to no acquisition."""

    def wait_started(
        self, at: int, wait: int, task: int, subject: int, site: int, wait_kind: int
    ) -> None:
        """Spans tell of acquisitions alone."""

    def wait_target(self, at: int, wait: int, task: int) -> None:
        """Spans tell of acquisitions alone."""

    def wait_ended(self, at: int, wait: int, outcome: int, woken_by: int) -> None:
        """Spans tell of acquisitions alone."""

    def collected(self, at: int, acquisition: int) -> None:
        """Do nothing: a span that never ends is never exported."""

    def _missing_resource(self, resource: int) -> ResourceInfo:
        self._resource_limit = sys.maxsize
        self._send_definitions(self)
        # With a limit below the number of living ones they would be sent over and over.
        self._resource_limit = max(_RESOURCE_LIMIT, 2 * len(self._resources))
        known = self._resources.get(resource)
        if known is None:  # it is gone
            known = self._resources[resource] = ResourceInfo(resource, "manager", "?", None, None)
        return known


def _without_ended_bodies(context: Context, task: int) -> Context:
    """Return ``context`` without bodies that ``task`` entered and that have ended.

    A body that another task exits stays current in the task that entered it, whose context cannot
    be changed from outside. It is removed when that task enters or exits next.
    """
    span = context.get(SPAN_KEY)
    while type(span) is BodySpan and span.ended and span.live.task.id == task:
        if span.before is None:
            break
        context = span.before
        span = context.get(SPAN_KEY)
    return context
