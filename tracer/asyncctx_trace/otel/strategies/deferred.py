"""The deferred strategy: the SDK's spans under ids that are taken before the spans are made."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)

from asyncctx_trace.model import conventions as names
from asyncctx_trace.otel.live_acquisition import Body, LiveAcquisition
from asyncctx_trace.otel.strategies.body import BodySpan
from asyncctx_trace.otel.strategies.decision import Decision
from asyncctx_trace.otel.strategies.strategy import SPAN_KEY, Attributes, Placement, StrategyBase
from asyncctx_trace.otel.trace_limits import TraceLimits

if TYPE_CHECKING:
    from asyncctx_trace.otel.strategies.fast_path import FastPath

__all__ = ["DeferredStrategy"]

_FLAGS = tuple(TraceFlags(value) for value in range(4))
_RANDOM = 2
_FOLLOWS_PARENT = "ParentNotSampled:AlwaysOffSampler"
"""Occurs twice, for local and remote parents, in the description of a sampler that never samples
below a parent that is not sampled."""


class DeferredStrategy(StrategyBase):
    """Asks the sampler and takes ids when they are first needed; makes spans at the end.

    In most bodies nothing needs them, so all of it happens on the worker's thread.
    """

    eager = False

    def __init__(self, tracer: Any, limits: TraceLimits, fast_path: FastPath | None = None) -> None:
        super().__init__(tracer, limits)
        self._fast_path = fast_path
        self.has_fast_path = fast_path is not None
        ids = tracer.id_generator
        self._new_span_id = ids.generate_span_id
        self._new_trace_id = ids.generate_trace_id
        # Newer SDKs say in the flags that the trace id is random.
        self._is_random = getattr(ids, "is_trace_id_random", None)
        self._should_sample = tracer.sampler.should_sample
        self._follows_parent = tracer.sampler.get_description().count(_FOLLOWS_PARENT) == 2
        self._predetermined = _Predetermined(self._is_random)
        self._maker = copy.copy(tracer)
        self._maker.sampler = self._maker.id_generator = self._predetermined

    def is_never_sampled(self, context: Context) -> bool:
        if not self._follows_parent:
            return False
        span: Any = context.get(SPAN_KEY)
        if span is None or (type(span) is BodySpan and span.live.spans is None):
            return False
        parent: SpanContext = span.get_span_context()
        return parent.is_valid and not parent.trace_flags.sampled

    def start_on_task(self, live: LiveAcquisition) -> None:
        """Do nothing: everything can be made later."""

    def body_span(self, live: LiveAcquisition, before: Context) -> BodySpan:
        return BodySpan(before, live, self)

    def lifecycle_context(self, live: LiveAcquisition) -> SpanContext | None:
        return None if live.never_sampled else self._decide(live).lifecycle_context

    def body_context(self, body: Body) -> SpanContext:
        decision: Decision | None = body.live.spans
        if decision is not None and decision.body_context is not None:
            return decision.body_context
        with self._lock:
            decision = self._decide(body.live)
            if decision.body_context is None:
                decision.body_context = self._new_context(decision)
            return decision.body_context

    def real_body(self, body: Body) -> Span:
        with self._lock:
            if body.real is None:
                live, context = body.live, self.body_context(body)
                decision = self._decide(live)
                if decision.sampling is None:
                    body.real = NonRecordingSpan(context)
                else:
                    body.real = self._make(
                        decision,
                        names.BODY,
                        self._context_of_children(live),
                        live.enter_ended,
                        {names.PHASE: names.BODY},
                        (),
                        context.span_id,
                    )
            return body.real

    def lifecycle_span(self, live: LiveAcquisition) -> Span | None:
        if live.never_sampled:
            return None
        with self._lock:
            decision = self._decide(live)
            if decision.lifecycle is None and decision.lifecycle_context is not None:
                decision.lifecycle = self._make(
                    decision,
                    names.span_name(live.resource.name),
                    self._context_around(live, decision),
                    live.enter_started,
                    decision.sampling.attributes,
                    decision.links,
                    decision.lifecycle_context.span_id,
                )
            return decision.lifecycle

    def child_span(
        self,
        live: LiveAcquisition,
        name: str,
        start: int,
        attributes: Attributes,
        links: Sequence[Link],
    ) -> Span:
        context = self._context_of_children(live)
        decision = self._decide(live)
        enter = name == names.ENTER
        span_id = self._enter_context(decision).span_id if enter else self._new_span_id()
        return self._make(decision, name, context, start, attributes, links, span_id)

    def use_fast_path(
        self,
        live: LiveAcquisition,
        context: SpanContext,
        blocked_by: Sequence[Link],
        blocks: Sequence[Link],
    ) -> bool:
        body, fast_path, decision = live.body, self._fast_path, self._decide(live)
        if fast_path is None or body is None or live.has_errors:
            return False
        if decision.attributes_changed or decision.trace_state or not fast_path.is_open():
            return False
        with self._lock:
            if decision.lifecycle is not None or body.real is not None:
                return False  # something has been written to it
            inside = self.body_context(body)
        contexts = context, self._enter_context(decision), inside, self._new_context(decision)
        parent = self._enter_around(live, decision) or decision.parent
        offset = self.wall_time(0)
        fast_path.emit(live, decision, contexts, offset, parent, blocked_by, blocks)
        return True

    def _enter_context(self, decision: Decision) -> SpanContext:
        with self._lock:
            if decision.enter_context is None:
                decision.enter_context = self._new_context(decision)
            return decision.enter_context

    def _find_place(self, live: LiveAcquisition) -> Placement:
        """Return where the lifecycle span belongs: in an enter, or else in what is current."""
        outer = live.parent
        if (
            outer is not None
            and not outer.never_sampled
            and not 0 < outer.enter_ended <= live.enter_started
            and outer.context.get(SPAN_KEY) is live.context.get(SPAN_KEY)
        ):
            around = self._decide(outer)
            if around.trace.spans < self._limits.max_spans:
                parent = self._enter_context(around)
                context = set_span_in_context(NonRecordingSpan(parent), live.context)
                return Placement(parent, context, (), around.trace)
        return super()._find_place(live)

    def _enter_around(self, live: LiveAcquisition, decision: Decision) -> SpanContext | None:
        """Return the parent of an acquisition that has ended and began in the enter of another.

        That is the other's enter, or its lifecycle if it was not over by then; ``None`` if it began
        in no enter, or in one of another trace.
        """
        outer, ended = live.parent, live.exit_ended or live.enter_ended
        if outer is None or not ended or 0 < outer.enter_ended <= live.enter_started:
            return None
        around: Decision | None = None if outer.never_sampled else self._decide(outer)
        if around is None or around.lifecycle_context is None:
            return None
        if around.trace_id != decision.trace_id:
            return None
        within = ended <= outer.enter_ended or not outer.enter_ended
        return self._enter_context(around) if within else around.lifecycle_context

    def _context_around(self, live: LiveAcquisition, decision: Decision) -> Context:
        """Return the context to start the lifecycle span in."""
        around = self._enter_around(live, decision)
        if around is None:
            return decision.root_context or live.context
        return set_span_in_context(NonRecordingSpan(around), live.context)

    def _new_context(self, decision: Decision) -> SpanContext:
        return SpanContext(
            decision.trace_id,
            self._new_span_id(),
            False,
            decision.trace_flags,
            decision.trace_state,
        )

    def _context_of_children(self, live: LiveAcquisition) -> Context:
        lifecycle = self.lifecycle_span(live)
        assert lifecycle is not None
        return set_span_in_context(lifecycle, self._decide(live).root_context or live.context)

    def _decide(self, live: LiveAcquisition) -> Decision:
        """Ask the sampler, once; for outer acquisitions first, on whose decision it depends."""
        decision: Decision | None = live.spans
        if decision is not None:
            return decision
        with self._lock:
            undecided = []
            each: LiveAcquisition | None = live
            while each is not None and each.spans is None:
                undecided.append(each)
                span = each.context.get(SPAN_KEY)
                each = span.live if type(span) is BodySpan else None
            for each in reversed(undecided):
                each.spans = self._ask_sampler(each)
            decision = live.spans
            assert decision is not None
            return decision

    def _ask_sampler(self, live: LiveAcquisition) -> Decision:
        parent, root, links, trace = self._place(live)
        if parent is not None:
            trace_id = parent.trace_id
            random = parent.trace_flags & _RANDOM if self._is_random else 0
        else:
            trace_id = self._new_trace_id()
            random = _RANDOM if self._is_random and self._is_random() else 0
        attributes = live.attributes
        name = names.span_name(live.resource.name)
        result = self._should_sample(
            root or live.context, trace_id, name, SpanKind.INTERNAL, attributes, links
        )
        flags = _FLAGS[result.decision.is_sampled() | random]
        recording = result.decision.is_recording()
        return Decision(
            parent,
            root,
            links,
            trace,
            trace_id,
            flags,
            result.trace_state,
            result if recording else None,
            recording and result.attributes != attributes,
            SpanContext(trace_id, self._new_span_id(), False, flags, result.trace_state)
            if recording
            else None,
        )

    def _make(
        self,
        decision: Decision,
        name: str,
        context: Context,
        start: int,
        attributes: Any,
        links: Sequence[Link],
        span_id: int,
    ) -> Span:
        result = decision.sampling
        with self._lock:
            answers = self._predetermined
            answers.trace_id, answers.span_id = decision.trace_id, span_id
            answers.result = type(result)(result.decision, attributes, result.trace_state)
            return self._maker.start_span(  # type: ignore[no-any-return]  # looks like a Tracer
                name, context, SpanKind.INTERNAL, None, links, self.wall_time(start)
            )


class _Predetermined:
    """Replaces the sampler and the id generator: repeats what has been decided."""

    def __init__(self, is_random: Any) -> None:
        self.result: Any = None
        self.trace_id = 0
        self.span_id = 0
        if is_random is not None:
            self.is_trace_id_random = is_random

    def should_sample(self, *_: object, **__: object) -> Any:
        return self.result

    def get_description(self) -> str:
        return "as decided when the acquisition began"

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id
