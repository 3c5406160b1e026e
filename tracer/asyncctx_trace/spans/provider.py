"""What the user's TracerProvider lets us do: decide on the task, build later."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from typing import Any, Protocol

from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    NoOpTracer,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    Tracer,
    TracerProvider,
    set_span_in_context,
)

from asyncctx_trace.spans import conventions as names
from asyncctx_trace.spans.body import BodySpan
from asyncctx_trace.spans.clock import WallClock
from asyncctx_trace.spans.live import LiveAcquisition

__all__ = ["SPAN_KEY", "Tracing", "tracing_of"]

SPAN_KEY = next(iter(set_span_in_context(INVALID_SPAN, Context())))
"""Where a context keeps its span: two look-ups in a dict are all the task should pay for."""
_FLAGS = tuple(TraceFlags(value) for value in range(4))
_RANDOM = 2
_FOLLOWS = "ParentNotSampled:AlwaysOffSampler"
"""Stands twice, for local and remote parents, in the description of a sampler that never makes
a span below a parent that is not sampled."""
_Attributes = dict[str, Any]


class Tracing(Protocol):
    """Makes the spans of an acquisition."""

    prompt: bool
    """Whether ``begin`` has to be called for every acquisition, and not only inside a context."""

    def begin(self, live: LiveAcquisition) -> None:
        """On the task, as the enter begins: what cannot be found out later."""

    def body(self, live: LiveAcquisition, before: Context) -> BodySpan:
        """On the task: the span that is to be current in the body, in which ``before`` was."""

    def context_of(self, live: LiveAcquisition) -> SpanContext | None:
        """The lifecycle span's; ``None`` where there is no such span."""

    def context_of_body(self, body: BodySpan) -> SpanContext:
        """What the body passes on to spans inside it."""

    def real_body(self, body: BodySpan) -> Span:
        """The provider's own span of the body, or one that records nothing."""

    def lifecycle(self, live: LiveAcquisition) -> Span | None:
        """The provider's own lifecycle span; ``None`` where the sampler said no."""

    def child(
        self,
        live: LiveAcquisition,
        name: str,
        start: int,
        attributes: _Attributes,
        links: Sequence[Link],
    ) -> Span:
        """A child of the lifecycle span, from ``start`` (monotonic ns)."""

    def restart_in_child(self) -> None:
        """A forked child may have inherited a lock that nobody will give back."""

    def now(self) -> int:
        """The time of day by the clock of all spans."""

    def wall(self, at: int) -> int:
        """The time of day at monotonic time ``at``."""


def tracing_of(provider: TracerProvider, version: str, new_trace_after: int) -> Tracing | None:
    """How to make spans with ``provider``; ``None`` if it makes none.

    The SDK's tracers, and those that look like them, have their sampler and id generator in the
    open, so that spans can be made later, under ids that are known already. With any other
    provider lifecycle and body are made on the task.
    """
    tracer = provider.get_tracer(names.SCOPE, version)
    if isinstance(tracer, NoOpTracer):
        return None
    if hasattr(tracer, "sampler") and hasattr(tracer, "id_generator"):
        return _LateTracing(tracer, new_trace_after)
    return _PromptTracing(tracer, new_trace_after)


class _TracingBase:
    def __init__(self, tracer: Tracer, new_trace_after: int) -> None:
        self._tracer = tracer
        self._new_trace_after = new_trace_after
        clock = WallClock()
        self.now = clock.now
        self.wall = clock.at
        self.restart_in_child()

    def restart_in_child(self) -> None:
        self._lock = threading.RLock()

    def _parent(self, live: LiveAcquisition) -> SpanContext | None:
        """Of the lifecycle span; settles the context, and the link of a trace of its own."""
        span: Any = live.context.get(SPAN_KEY)
        if span is None:
            return None
        parent: SpanContext = span.get_span_context()
        if not parent.is_valid:
            return None
        if (
            type(span) is BodySpan
            and live.enter_started - span.live.enter_ended > self._new_trace_after
        ):
            live.links = (Link(parent, {names.LINK_KIND: names.ENTERED_IN}),)
            live.context = set_span_in_context(INVALID_SPAN, live.context)
            return None
        return parent


class _LateTracing(_TracingBase):
    """Asks the sampler and takes ids when somebody wants to know; makes spans when all is over.

    In most bodies nobody does: then all of it happens off the task.
    """

    prompt = False

    def __init__(self, tracer: Any, new_trace_after: int) -> None:
        super().__init__(tracer, new_trace_after)
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

    def begin(self, live: LiveAcquisition) -> None:
        if self._follows_parent:
            span: Any = live.context.get(SPAN_KEY)
            if span is not None and (type(span) is not BodySpan or span.live.decided):
                parent = span.get_span_context()
                live.silent = parent.is_valid and not parent.trace_flags.sampled

    def body(self, live: LiveAcquisition, before: Context) -> BodySpan:
        return BodySpan(before, live, self)

    def context_of(self, live: LiveAcquisition) -> SpanContext | None:
        if live.silent:
            return None
        self._decide(live)
        result = live.sampled
        if result is None:
            return None
        return SpanContext(live.trace_id, live.span_id, False, live.trace_flags, result.trace_state)

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
            if live.lifecycle is None and live.sampled is not None:
                live.lifecycle = self._make(
                    live,
                    names.span_name(live.resource.name),
                    live.context,
                    live.enter_started,
                    live.sampled.attributes,
                    live.links,
                    live.span_id,
                )
            return live.lifecycle

    def child(
        self,
        live: LiveAcquisition,
        name: str,
        start: int,
        attributes: _Attributes,
        links: Sequence[Link],
    ) -> Span:
        context = self._context_of_children(live)
        return self._make(live, name, context, start, attributes, links, self._new_span_id())

    def _context_of_children(self, live: LiveAcquisition) -> Context:
        lifecycle = self.lifecycle(live)
        assert lifecycle is not None
        return set_span_in_context(lifecycle, live.context)

    def _decide(self, live: LiveAcquisition) -> None:
        """Ask the sampler, once; outer acquisitions first, whose word inner ones depend on."""
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
        parent = self._parent(live)
        if parent is not None:
            trace_id = parent.trace_id
            random = parent.trace_flags & _RANDOM if self._is_random else 0
        else:
            trace_id = self._new_trace_id()
            random = _RANDOM if self._is_random and self._is_random() else 0
        result = self._should_sample(
            live.context,
            trace_id,
            names.span_name(live.resource.name),
            SpanKind.INTERNAL,
            live.attributes,
            live.links,
        )
        live.trace_id = trace_id
        live.trace_flags = _FLAGS[result.decision.is_sampled() | random]
        live.trace_state = result.trace_state
        if result.decision.is_recording():
            live.sampled = result
            live.span_id = self._new_span_id()

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


class _PromptTracing(_TracingBase):
    """Makes lifecycle and body on the task: all that is known of the provider is the API."""

    prompt = True

    def begin(self, live: LiveAcquisition) -> None:
        parent = self._parent(live)
        live.lifecycle = self._tracer.start_span(
            names.span_name(live.resource.name),
            live.context,
            attributes=live.attributes,
            links=live.links,
            start_time=self.wall(live.enter_started),
        )
        live.decided = True
        if live.lifecycle.is_recording():
            live.sampled = live.lifecycle
        else:
            live.silent = parent is not None and not parent.trace_flags.sampled

    def body(self, live: LiveAcquisition, before: Context) -> BodySpan:
        body = BodySpan(before, live, self)
        assert live.lifecycle is not None
        body.real = live.lifecycle
        if live.sampled is not None:
            body.real = self.child(
                live, names.BODY, live.enter_ended, {names.PHASE: names.BODY}, ()
            )
        return body

    def context_of(self, live: LiveAcquisition) -> SpanContext | None:
        return None if live.sampled is None else live.lifecycle.get_span_context()  # type: ignore[union-attr]  # made in begin

    def context_of_body(self, body: BodySpan) -> SpanContext:
        return self.real_body(body).get_span_context()

    def real_body(self, body: BodySpan) -> Span:
        assert body.real is not None
        return body.real

    def lifecycle(self, live: LiveAcquisition) -> Span | None:
        return live.lifecycle if live.sampled is not None else None

    def child(
        self,
        live: LiveAcquisition,
        name: str,
        start: int,
        attributes: _Attributes,
        links: Sequence[Link],
    ) -> Span:
        assert live.lifecycle is not None
        return self._tracer.start_span(
            name,
            set_span_in_context(live.lifecycle, live.context),
            attributes=attributes,
            links=links,
            start_time=self.wall(start),
        )
