"""How the spans of an acquisition are made: the interface of all strategies."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

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
from asyncctx_trace.otel.clock import WallClock
from asyncctx_trace.otel.live_acquisition import Body, LiveAcquisition
from asyncctx_trace.otel.strategies.body import BodySpan
from asyncctx_trace.otel.trace_limits import SPANS_PER_ACQUISITION, TraceLimits, TraceSize

__all__ = ["SPAN_KEY", "Attributes", "Placement", "SpanStrategy", "StrategyBase"]

SPAN_KEY = next(iter(set_span_in_context(INVALID_SPAN, Context())))
"""The key of the span in a context: looking it up directly costs the task least."""
Attributes = dict[str, Any]


class SpanStrategy(Protocol):
    """Makes the spans of acquisitions with one tracer."""

    eager: bool
    """Whether :meth:`start_on_task` must be called."""
    has_fast_path: bool
    """Whether :meth:`use_fast_path` may return true."""

    def is_never_sampled(self, context: Context) -> bool:
        """Return whether it is certain that there are no spans in ``context``; on the task."""

    def start_on_task(self, live: LiveAcquisition) -> None:
        """Make what cannot be made later, as the wait begins; on the task."""

    def body_span(self, live: LiveAcquisition, before: Context) -> BodySpan:
        """Return the span to make current in the body, entered in ``before``; on the task."""

    def lifecycle_context(self, live: LiveAcquisition) -> SpanContext | None:
        """Return the context of the lifecycle span, ``None`` if it is not recorded."""

    def body_context(self, body: Body) -> SpanContext:
        """Return the context of the body's span, the parent of spans inside it."""

    def real_body(self, body: Body) -> Span:
        """Return the provider's own span of the body; it may not record anything."""

    def lifecycle_span(self, live: LiveAcquisition) -> Span | None:
        """Return the provider's own lifecycle span, ``None`` if it is not recorded."""

    def child_span(
        self,
        live: LiveAcquisition,
        name: str,
        start: int,
        attributes: Attributes,
        links: Sequence[Link],
    ) -> Span:
        """Start a child of the lifecycle span at ``start`` (monotonic ns)."""

    def use_fast_path(
        self,
        live: LiveAcquisition,
        context: SpanContext,
        blocked_by: Sequence[Link],
        blocks: Sequence[Link],
    ) -> bool:
        """Pass the finished spans of ``live`` to the processors, and return true, if possible.

        ``context`` is that of the lifecycle span; ``blocked_by`` are the links of its enter,
        ``blocks`` those of its body.
        """

    def reset_in_child(self) -> None:
        """Replace locks that a forked child may have inherited in a locked state."""

    def now(self) -> int:
        """Return the wall-clock time (ns since 1970) by the clock of all spans."""

    def wall_time(self, at: int) -> int:
        """Return the wall-clock time (ns since 1970) at monotonic time ``at`` (ns)."""


class Placement(NamedTuple):
    """Where a lifecycle span belongs."""

    parent: SpanContext | None
    root_context: Context | None
    """The context to start in, if it is not that of the acquisition: in a new trace, or in an
    enter."""
    links: tuple[Link, ...]
    """To that body."""
    trace: TraceSize


class StrategyBase:
    """What the strategies have in common."""

    def __init__(self, tracer: Tracer, limits: TraceLimits) -> None:
        self._tracer = tracer
        self._limits = limits
        clock = WallClock()
        self.now = clock.now
        self.wall_time = clock.at
        self.reset_in_child()

    def reset_in_child(self) -> None:
        self._lock = threading.RLock()

    def _place(self, live: LiveAcquisition) -> Placement:
        """Return where the lifecycle span belongs, and count its spans there."""
        placement = self._find_place(live)
        placement.trace.spans += SPANS_PER_ACQUISITION
        return placement

    def _find_place(self, live: LiveAcquisition) -> Placement:
        span: Any = live.context.get(SPAN_KEY)
        if span is None:
            return Placement(None, None, (), TraceSize())
        parent: SpanContext = span.get_span_context()
        if not parent.is_valid:
            return Placement(None, None, (), TraceSize())
        if type(span) is not BodySpan:
            return Placement(parent, None, (), TraceSize())
        trace: TraceSize = span.live.spans.trace
        if (
            live.enter_started - span.live.enter_ended <= self._limits.max_age
            and trace.spans < self._limits.max_spans
        ):
            return Placement(parent, None, (), trace)
        attributes = BoundedAttributes(attributes={names.LINK_KIND: names.ENTERED_IN})
        root = set_span_in_context(INVALID_SPAN, live.context)
        return Placement(None, root, (Link(parent, attributes),), TraceSize())
