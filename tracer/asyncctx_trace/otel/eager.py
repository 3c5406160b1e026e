"""Spans made on the task, for providers of which nothing is known but the API."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, set_span_in_context

from asyncctx_trace.model import conventions as names
from asyncctx_trace.otel.acquisition import LiveAcquisition
from asyncctx_trace.otel.body import BodySpan
from asyncctx_trace.otel.tracer import Attributes, TracingBase

__all__ = ["PromptTracing"]


class PromptTracing(TracingBase):
    """Makes lifecycle and body on the task: all that is known of the provider is the API."""

    prompt = True
    hands_over = False

    def silences(self, context: Context) -> bool:
        return False

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
        attributes: Attributes,
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

    def hand_over(
        self, live: LiveAcquisition, context: SpanContext, blocked_by: Sequence[Link]
    ) -> bool:
        """There are spans already."""
        return False
