"""Spans under ids that are known already, made when somebody looks or when all is over."""

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
from asyncctx_trace.otel.acquisition import LiveAcquisition
from asyncctx_trace.otel.body import BodySpan
from asyncctx_trace.otel.tracer import SPAN_KEY, Attributes, TracingBase

if TYPE_CHECKING:
    from asyncctx_trace.otel.fast_path import HandOver

__all__ = ["LateTracing"]

_FLAGS = tuple(TraceFlags(value) for value in range(4))
_RANDOM = 2
_FOLLOWS = "ParentNotSampled:AlwaysOffSampler"
"""Stands twice, for local and remote parents, in the description of a sampler that never makes
a span below a parent that is not sampled."""


class LateTracing(TracingBase):
    """Asks the sampler and takes ids when somebody wants to know; makes spans when all is over.

    In most bodies nobody does: then all of it happens off the task.
    """

    prompt = False

    def __init__(self, tracer: Any, new_trace_after: int, handing: HandOver | None = None) -> None:
        super().__init__(tracer, new_trace_after)
        self._handing = handing
        self.hands_over = handing is not None
        ids = tracer.id_generator
        self._new_span_id = ids.generate_span_id
        self._new_trace_id = ids.generate_trace_id
        # Newer SDKs say in the flags that the trace id is random.
        self._is_random = getattr(ids, "is_trace_id_random", None)
        self._should_sample = tracer.sampler.should_sample
        self._follows_parent = tracer.sampler.get_description().count(_FOLLOWS) == 2
        self._decided = _Decided(self._is_random)
        self._maker = copy.copy(tracer)
        self._maker.sampler = self._maker.id_generator = self._decided

    def silences(self, context: Context) -> bool:
        if not self._follows_parent:
            return False
        span: Any = context.get(SPAN_KEY)
        if span is None or (type(span) is BodySpan and not span.live.decided):
            return False
        parent: SpanContext = span.get_span_context()
        return parent.is_valid and not parent.trace_flags.sampled

    def begin(self, live: LiveAcquisition) -> None:
        """There is time to find everything out later."""

    def body(self, live: LiveAcquisition, before: Context) -> BodySpan:
        return BodySpan(before, live, self)

    def context_of(self, live: LiveAcquisition) -> SpanContext | None:
        if live.silent:
            return None
        self._decide(live)
        return live.whole

    def context_of_body(self, body: BodySpan) -> SpanContext:
        with self._lock:
            live = body.live
            self._decide(live)
            if live.body_context is None:
                live.body_context = SpanContext(
                    live.trace_id, self._new_span_id(), False, live.trace_flags, live.trace_state
                )
            return live.body_context

    def real_body(self, body: BodySpan) -> Span:
        with self._lock:
            if body.real is None:
                live, context = body.live, self.context_of_body(body)
                if live.sampled is None:
                    body.real = NonRecordingSpan(context)
                else:
                    body.real = self._make(
                        live,
                        names.BODY,
                        self._context_of_children(live),
                        live.enter_ended,
                        {names.PHASE: names.BODY},
                        (),
                        context.span_id,
                    )
            return body.real

    def lifecycle(self, live: LiveAcquisition) -> Span | None:
        if live.silent:
            return None
        with self._lock:
            self._decide(live)
            if live.lifecycle is None and live.whole is not None:
                live.lifecycle = self._make(
                    live,
                    names.span_name(live.resource.name),
                    live.context,
                    live.enter_started,
                    live.sampled.attributes,
                    live.links,
                    live.whole.span_id,
                )
            return live.lifecycle

    def child(
        self,
        live: LiveAcquisition,
        name: str,
        start: int,
        attributes: Attributes,
        links: Sequence[Link],
    ) -> Span:
        context = self._context_of_children(live)
        return self._make(live, name, context, start, attributes, links, self._new_span_id())

    def hand_over(
        self, live: LiveAcquisition, context: SpanContext, blocked_by: Sequence[Link]
    ) -> bool:
        body, handing = live.body, self._handing
        if handing is None or body is None or live.erred or live.adorned or live.trace_state:
            return False
        if not handing.allowed():
            return False
        with self._lock:
            if live.lifecycle is not None or body.real is not None:
                return False  # somebody has written to it
            inside = self.context_of_body(body)
        enter, exit_ = (
            SpanContext(
                live.trace_id, self._new_span_id(), False, live.trace_flags, live.trace_state
            )
            for _ in range(2)
        )
        handing.give(live, (context, enter, inside, exit_), self.wall(0), blocked_by)
        return True

    def _context_of_children(self, live: LiveAcquisition) -> Context:
        lifecycle = self.lifecycle(live)
        assert lifecycle is not None
        return set_span_in_context(lifecycle, live.context)

    def _decide(self, live: LiveAcquisition) -> None:
        """Ask the sampler, once; outer acquisitions first, whose word inner ones depend on."""
        if live.decided:
            return
        with self._lock:
            undecided = []
            each: LiveAcquisition | None = live
            while each is not None and not each.decided:
                undecided.append(each)
                span = each.context.get(SPAN_KEY)
                each = span.live if type(span) is BodySpan else None
            for each in reversed(undecided):
                self._decide_one(each)
                each.decided = True

    def _decide_one(self, live: LiveAcquisition) -> None:
        parent = live.above = self._parent(live)
        if parent is not None:
            trace_id = parent.trace_id
            random = parent.trace_flags & _RANDOM if self._is_random else 0
        else:
            trace_id = self._new_trace_id()
            random = _RANDOM if self._is_random and self._is_random() else 0
        attributes = live.attributes
        result = self._should_sample(
            live.context,
            trace_id,
            names.span_name(live.resource.name),
            SpanKind.INTERNAL,
            attributes,
            live.links,
        )
        live.trace_id = trace_id
        live.trace_flags = _FLAGS[result.decision.is_sampled() | random]
        live.trace_state = result.trace_state
        if result.decision.is_recording():
            live.sampled = result
            live.adorned = result.attributes != attributes
            live.whole = SpanContext(
                trace_id, self._new_span_id(), False, live.trace_flags, live.trace_state
            )

    def _make(
        self,
        live: LiveAcquisition,
        name: str,
        context: Context,
        start: int,
        attributes: Any,
        links: Sequence[Link],
        span_id: int,
    ) -> Span:
        result = live.sampled
        with self._lock:
            decided = self._decided
            decided.trace_id, decided.span_id = live.trace_id, span_id
            decided.result = type(result)(result.decision, attributes, result.trace_state)
            return self._maker.start_span(  # type: ignore[no-any-return]  # looks like a Tracer
                name, context, SpanKind.INTERNAL, None, links, self.wall(start)
            )


class _Decided:
    """Stands in for sampler and id generator: says again what has been decided."""

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
