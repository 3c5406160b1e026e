"""Gives finished spans to the SDK's processors where nobody misses their beginning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import (
    SpanLimits,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    Tracer,
)
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.trace import Link, SpanContext

from asyncctx_trace.otel.acquisition import LiveAcquisition
from asyncctx_trace.otel.ready_spans import (
    FinishedBody,
    FinishedEnter,
    FinishedExit,
    FinishedLifecycle,
    Origin,
)

__all__ = ["HandOver"]

_DEAF = tuple(
    {
        getattr(each, moment, None)
        for each in (SpanProcessor, BatchSpanProcessor, SimpleSpanProcessor)
    }
    for moment in ("on_start", "_on_ending")
)
"""Methods that do nothing when a span starts, when it is about to end."""
_ATTRIBUTES = 24
"""More than any of our spans has."""
_LINKS = 128


class HandOver:
    """Skips what the SDK's spans do only for those who change or watch them while they are open."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._fits = _limits_nothing(tracer) and _counts_nothing(tracer)
        self._known: Any = None
        self._deaf = False
        self._origin = _origin(tracer)
        self._enabled = getattr(tracer, "_is_enabled", lambda: True)

    def allowed(self) -> bool:
        """Whether it makes no difference to this provider, as it is configured now."""
        multi: Any = self._tracer.span_processor
        processors: Any = getattr(multi, "_span_processors", ())
        if processors is not self._known:
            self._known = processors
            self._deaf = type(multi) is SynchronousMultiSpanProcessor and all(
                map(_deaf, processors)
            )
        return self._fits and self._deaf and self._enabled()

    def give(
        self,
        live: LiveAcquisition,
        contexts: tuple[SpanContext, SpanContext, SpanContext, SpanContext],
        offset: int,
        blocked_by: Sequence[Link],
    ) -> None:
        """The spans of ``live``, whose ``contexts`` are of lifecycle, enter, body and exit.

        ``offset`` (ns) leads from the monotonic clock to the time of day.
        """
        tracer, on_end = self._tracer, self._tracer.span_processor.on_end
        if tracer.resource is not self._origin[0]:  # in a forked child it is another one
            self._origin = _origin(tracer)
        origin = self._origin
        whole, enter, body, exit_ = contexts
        enter_started, enter_ended = live.enter_started + offset, live.enter_ended + offset
        exit_started, exit_ended = live.exit_started + offset, live.exit_ended + offset
        on_end(FinishedEnter(live, origin, enter, whole, (enter_started, enter_ended), blocked_by))
        on_end(FinishedBody(live, origin, body, whole, (enter_ended, exit_started)))
        on_end(FinishedExit(live, origin, exit_, whole, (exit_started, exit_ended)))
        times = enter_started, exit_ended
        on_end(FinishedLifecycle(live, origin, whole, live.above, times, live.links))


def _origin(tracer: Tracer) -> Origin:
    return tracer.resource, tracer.instrumentation_info, tracer._instrumentation_scope


def _deaf(processor: SpanProcessor) -> bool:
    own = vars(processor)
    return all(
        moment not in own and getattr(type(processor), moment, None) in deaf
        for moment, deaf in zip(("on_start", "_on_ending"), _DEAF, strict=True)
    )


def _limits_nothing(tracer: Tracer) -> bool:
    """Whether no limit of the user's cuts anything that is always in our spans."""
    limits: SpanLimits = tracer._span_limits
    return (
        limits.max_span_attribute_length is None
        and limits.max_attribute_length is None
        and _at_least(_ATTRIBUTES, limits.max_span_attributes)
        and _at_least(_LINKS, limits.max_links)
        and _at_least(1, limits.max_link_attributes)
    )


def _counts_nothing(tracer: Tracer) -> bool:
    """Whether the SDK does not measure its own spans."""
    return type(getattr(tracer, "_tracer_metrics", None)).__name__ in (
        "NoneType",
        "NoOpTracerMetrics",
    )


def _at_least(needed: int, limit: int | None) -> bool:
    return limit is None or limit >= needed
