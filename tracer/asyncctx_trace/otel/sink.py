"""The sink that makes the body's span current on the task, and leaves the rest to the worker."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable

from opentelemetry import context as context_api
from opentelemetry.context import Context

from asyncctx_trace.instrument import span_scope
from asyncctx_trace.model.capacity import limit_of
from asyncctx_trace.model.outcomes import EnterFlag
from asyncctx_trace.otel.acquisition import (
    LiveAcquisition,
    ResourceWords,
    SiteWords,
    TaskWords,
    read_error,
)
from asyncctx_trace.otel.body import BodySpan
from asyncctx_trace.otel.context import current, make_current
from asyncctx_trace.otel.tracer import SPAN_KEY, Tracing
from asyncctx_trace.otel.worker import Worker

__all__ = ["Emitter"]

_UNKNOWN_TASK = TaskWords(0, "?", "none", "?")
_BY_CALL = int(EnterFlag.BY_CALL)
_TRACED = int(EnterFlag.TRACED)
_MANY = 65_536
_SUPPRESS = (
    "suppress_instrumentation",
    getattr(context_api, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation"),
)
"""Where a context says that nothing in it is to be traced, an exporter's own work above all."""


class Emitter:
    """Hears every fact and hands it to ``worker``.

    A program may make locks without end: definitions of resources are forgotten when there are
    many, and ``recall`` tells those that still count once more.
    """

    tracing: Tracing | None = None
    """How to make spans; ``None`` if there are none to be made."""

    def __init__(self, worker: Worker, recall: Callable[[Emitter], object]) -> None:
        self._recall = recall
        self._many = _MANY
        self._worker = worker
        self._facts: deque[LiveAcquisition] = worker.facts
        self._open: dict[int, LiveAcquisition] = {}
        self._left_out: dict[int, LiveAcquisition] = {}
        """Open acquisition without spans -> the innermost one with spans around it."""
        self._managers: dict[int, str] = {}
        self._sites: dict[int, SiteWords] = {}
        self._resources: dict[int, ResourceWords] = {}
        self._tasks: dict[int, TaskWords] = {}

    @property
    def in_flight(self) -> int:
        """Acquisitions that have not ended."""
        return len(self._open)

    def settle(self) -> None:
        """Before a fork: both processes must know the bodies around it by the same ids."""
        for live in list(self._open.values()):
            if live.body is not None:
                live.body.get_span_context()

    def restart_in_child(self) -> None:
        """What the parent had open or queued is the parent's to tell."""
        self._open.clear()
        self._left_out.clear()
        self._worker.restart_in_child()

    # -- definitions ------------------------------------------------------------------------

    def manager_defined(self, manager: int, name: str) -> None:
        self._managers[manager] = name

    def site_defined(
        self, site: int, file: str, line: int, function: str, text: str, caller: int = 0
    ) -> None:
        self._sites[site] = SiteWords(file, line, function, text, self._sites.get(caller))

    def resource_defined(self, resource: int, kind: str, name: str, capacity: int | None) -> None:
        if len(self._resources) >= self._many:
            self._resources.clear()
        self._resources[resource] = ResourceWords(
            resource, kind, name, capacity, limit_of(kind, capacity)
        )

    def task_defined(
        self, at: int, task: int, name: str, runtime: str, parent: int, thread: str
    ) -> None:
        self._tasks[task] = TaskWords(task, name, runtime, thread)

    def task_ended(self, at: int, task: int) -> None:
        self._tasks.pop(task, None)

    # -- facts ------------------------------------------------------------------------------

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
        if len(self._facts) > worker.limit:
            worker.drop()
            return
        words = self._resources.get(resource) or self._recalled(resource)
        tracing = self.tracing
        silent = False
        if context:
            context = _living(context, task)
            silent = tracing is not None and tracing.silences(context)
            if silent and words.limit is None and worker.measurements is None:
                return  # nobody will ever ask for it
        live = LiveAcquisition(
            acquisition,
            at,
            self._open.get(parent) or self._left_out.get(parent),
            self._tasks.get(task, _UNKNOWN_TASK),
            self._managers[manager],
            words,
            self._sites.get(site),
            context,
        )
        if flags & _BY_CALL:
            live.by_call = True
        if silent:
            live.silent = True
        elif tracing is not None and tracing.prompt:
            tracing.begin(live)
        self._open[acquisition] = live
        self._facts.append(live)
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
            live.enter_error = read_error(live, error, outcome)
        elif self.tracing is not None and not live.silent:
            before = current()
            body = live.body = self.tracing.body(live, before)
            # As set_span_in_context does, with two copies less.
            make_current(Context({**before, SPAN_KEY: body}))
        self._facts.append(live)

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
            live.body_error = read_error(live, error, outcome)
        body = live.body
        if body is not None:
            body.ended = True
            # What is current here is another span if the exit runs in another task or context,
            # or out of order: then whoever has it on top passes it over later. A token to reset
            # would be refused there, and logged.
            if current().get(SPAN_KEY) is body:
                before = body.before
                if before is not None:
                    make_current(_living(before, live.task.id) if before else before)

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
            live.exit_error = read_error(live, error, outcome)
        self._facts.append(live)

    def release_unmatched(self, at: int, task: int, resource: int, site: int) -> None:
        """Spans tell of acquisitions alone."""

    def collected(self, at: int, acquisition: int) -> None:
        """A span of what is never released never ends, and so is never exported."""

    def _recalled(self, resource: int) -> ResourceWords:
        self._many = sys.maxsize
        self._recall(self)
        # Where so many live at once, forgetting them would only mean to be told again.
        self._many = max(_MANY, 2 * len(self._resources))
        found = self._resources.get(resource)
        if found is None:  # it is gone itself, or one of more than we keep
            found = self._resources[resource] = ResourceWords(resource, "manager", "?", None, None)
        return found


def _living(context: Context, task: int) -> Context:
    """``context`` without the bodies that ``task`` has left elsewhere.

    A body that was left in another task stays current in the task that entered it: nobody can
    reach in there. It is passed over as soon as that task comes by.
    """
    span = context.get(SPAN_KEY)
    while type(span) is BodySpan and span.ended and span.live.task.id == task:
        if span.before is None:
            break
        context = span.before
        span = context.get(SPAN_KEY)
    return context
