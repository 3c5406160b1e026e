"""The eager strategy: spans are started on the task, for providers that show only the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, set_span_in_context

from asyncctx_trace.model import conventions as names
from asyncctx_trace.otel.live_acquisition import Body, LiveAcquisition
from asyncctx_trace.otel.strategies.body import BodySpan
from asyncctx_trace.otel.strategies.strategy import Attributes, StrategyBase
from asyncctx_trace.otel.trace_limits import TraceSize

__all__ = ["EagerStrategy"]


@dataclass(slots=True, eq=False, frozen=True)
class _Started:
    """The strategy's state of an acquisition."""

    lifecycle: Span
    recording: bool
    root_context: Context | None
    """The context that the lifecycle span was started in, if that is not the acquisition's."""
    trace: TraceSize


class EagerStrategy(StrategyBase):
    """Starts the lifecycle and body spans on the task; the worker makes the others."""

    eager = True
    has_fast_path = False

    def is_never_sampled(self, context: Context) -> bool:
        return False

    def start_on_task(self, live: LiveAcquisition) -> None:
        parent, root, links, trace = self._place(live)
        lifecycle = self._tracer.start_span(
            names.span_name(live.resource.name),
            root or live.context,
            attributes=live.attributes,
            links=links,
            start_time=self.wall_time(live.enter_started),
        )
        recording = lifecycle.is_recording()
        live.spans = _Started(lifecycle, recording, root, trace)
        if not recording:
            live.never_sampled = parent is not None and not parent.trace_flags.sampled

    def body_span(self, live: LiveAcquisition, before: Context) -> BodySpan:
        started: _Started = live.spans
        body = BodySpan(before, live, self)
        body.real = started.lifecycle
        if started.recording:
            attributes = {names.PHASE: names.BODY}
            body.real = self.child_span(live, names.BODY, live.enter_ended, attributes, ())
        return body

    def lifecycle_context(self, live: LiveAcquisition) -> SpanContext | None:
        span = self.lifecycle_span(live)
        return None if span is None else span.get_span_context()

    def body_context(self, body: Body) -> SpanContext:
        return self.real_body(body).get_span_context()

    def real_body(self, body: Body) -> Span:
        assert body.real is not None
        return body.real

    def lifecycle_span(self, live: LiveAcquisition) -> Span | None:
        started: _Started | None = live.spans
        return started.lifecycle if started is not None and started.recording else None

    def child_span(
        self,
        live: LiveAcquisition,
        name: str,
        start: int,
        attributes: Attributes,
        links: Sequence[Link],
    ) -> Span:
        started: _Started = live.spans
        return self._tracer.start_span(
            name,
            set_span_in_context(started.lifecycle, started.root_context or live.context),
            attributes=attributes,
            links=links,
            start_time=self.wall_time(start),
        )

    def use_fast_path(
        self,
        live: LiveAcquisition,
        context: SpanContext,
        blocked_by: Sequence[Link],
        blocks: Sequence[Link],
    ) -> bool:
        """Return false: the spans exist already."""
        return False
