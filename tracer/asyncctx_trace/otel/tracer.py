"""What it takes to make the spans of an acquisition, whoever provides them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Protocol

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    Span,
    SpanContext,
    Tracer,
    set_span_in_context,
)

from asyncctx_trace.model import conventions as names
from asyncctx_trace.otel.acquisition import LiveAcquisition
from asyncctx_trace.otel.body import BodySpan
from asyncctx_trace.otel.clock import WallClock

__all__ = ["SPAN_KEY", "Attributes", "Tracing", "TracingBase"]

SPAN_KEY = next(iter(set_span_in_context(INVALID_SPAN, Context())))
"""Where a context keeps its span: two look-ups in a dict are all the task should pay for."""
Attributes = dict[str, Any]


class Tracing(Protocol):
    """Makes the spans of an acquisition."""

    prompt: bool
    """Whether ``begin`` has something to do."""
    hands_over: bool
    """Whether ``hand_over`` may say yes."""

    def silences(self, context: Context) -> bool:
        """On the task: whether it is settled that there are no spans in ``context``."""

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
        attributes: Attributes,
        links: Sequence[Link],
    ) -> Span:
        """A child of the lifecycle span, from ``start`` (monotonic ns)."""

    def hand_over(
        self, live: LiveAcquisition, context: SpanContext, blocked_by: Sequence[Link]
    ) -> bool:
        """Give the provider the spans of ``live``, which has ended, in one go, if it can be done.

        ``context`` is the lifecycle span's.
        """

    def restart_in_child(self) -> None:
        """A forked child may have inherited a lock that nobody will give back."""

    def now(self) -> int:
        """The time of day by the clock of all spans."""

    def wall(self, at: int) -> int:
        """The time of day at monotonic time ``at``."""


class TracingBase:
    """What the ways to make spans have in common."""

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
            words = BoundedAttributes(attributes={names.LINK_KIND: names.ENTERED_IN})
            live.links = (Link(parent, words),)
            live.context = set_span_in_context(INVALID_SPAN, live.context)
            return None
        return parent
