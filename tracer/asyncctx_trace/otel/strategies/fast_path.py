"""The fast path: finished spans are passed to the SDK's processors without having been started."""

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

from asyncctx_trace.otel.live_acquisition import LiveAcquisition
from asyncctx_trace.otel.strategies.decision import Decision
from asyncctx_trace.otel.strategies.ready_spans import (
    Origin,
    ReadyBody,
    ReadyEnter,
    ReadyExit,
    ReadyLifecycle,
)

__all__ = ["FastPath"]

_START_METHODS = ("on_start", "_on_ending")
_NO_OPS = tuple(
    {
        getattr(processor, method, None)
        for processor in (SpanProcessor, BatchSpanProcessor, SimpleSpanProcessor)
    }
    for method in _START_METHODS
)
"""For each of these methods, the implementations that do nothing."""
_ATTRIBUTES = 24
"""More than any of our spans has."""
_LINKS = 128


class FastPath:
    """Skips what the SDK's spans do only for those who observe or change them while they are open.

    It is used as long as that makes no difference to any processor of the provider.
    """

    def __init__(self, tracer: Tracer) -> None:
        """Raises AttributeError if the SDK is built in a way that is not known."""
        self._tracer = tracer
        self._possible = _has_high_limits(tracer) and not _has_metrics(tracer)
        self._checked: Any = None
        """The processors that were looked at last."""
        self._unobserved = False
        """Whether none of them observes the start of spans."""
        self._origin = _origin(tracer)
        self._is_enabled = getattr(tracer, "_is_enabled", lambda: True)

    def is_open(self) -> bool:
        """Return whether it makes no difference to the provider as it is configured now."""
        multi: Any = self._tracer.span_processor
        processors: Any = getattr(multi, "_span_processors", ())
        if processors is not self._checked:
            self._checked = processors
            self._unobserved = type(multi) is SynchronousMultiSpanProcessor and all(
                map(_ignores_starts, processors)
            )
        return self._possible and self._unobserved and self._is_enabled()

    def emit(
        self,
        live: LiveAcquisition,
        decision: Decision,
        contexts: tuple[SpanContext, SpanContext, SpanContext, SpanContext],
        offset: int,
        parent: SpanContext | None,
        blocked_by: Sequence[Link],
        blocks: Sequence[Link],
    ) -> None:
        """Pass the spans of ``live`` to the processors.

        ``contexts`` are those of lifecycle, enter, body and exit. ``offset`` (ns) is added to
        monotonic times to get wall-clock times. ``parent`` is that of the lifecycle,
        ``blocked_by`` are the links of the enter, ``blocks`` those of the body.
        """
        tracer, on_end = self._tracer, self._tracer.span_processor.on_end
        if tracer.resource is not self._origin[0]:  # a forked child has another one
            self._origin = _origin(tracer)
        origin = self._origin
        lifecycle, enter, body, exit_ = contexts
        enter_started, enter_ended = live.enter_started + offset, live.enter_ended + offset
        exit_started, exit_ended = live.exit_started + offset, live.exit_ended + offset
        times = enter_started, enter_ended
        on_end(ReadyEnter(live, origin, enter, lifecycle, times, blocked_by))
        on_end(ReadyBody(live, origin, body, lifecycle, (enter_ended, exit_started), blocks))
        on_end(ReadyExit(live, origin, exit_, lifecycle, (exit_started, exit_ended)))
        times = enter_started, exit_ended
        on_end(ReadyLifecycle(live, origin, lifecycle, parent, times, decision.links))


def _origin(tracer: Tracer) -> Origin:
    scope = tracer._instrumentation_scope  # noqa: SLF001 - the SDK reads it in the same way
    return tracer.resource, tracer.instrumentation_info, scope


def _ignores_starts(processor: SpanProcessor) -> bool:
    own = vars(processor)
    return all(
        method not in own and getattr(type(processor), method, None) in no_ops
        for method, no_ops in zip(_START_METHODS, _NO_OPS, strict=True)
    )


def _has_high_limits(tracer: Tracer) -> bool:
    """Return whether the span limits cut nothing of what our spans always have."""
    limits: SpanLimits = tracer._span_limits  # noqa: SLF001 - the SDK does not show them
    return (
        limits.max_span_attribute_length is None
        and limits.max_attribute_length is None
        and _at_least(_ATTRIBUTES, limits.max_span_attributes)
        and _at_least(_LINKS, limits.max_links)
        and _at_least(1, limits.max_link_attributes)
    )


def _has_metrics(tracer: Tracer) -> bool:
    """Return whether the SDK measures its own spans."""
    return type(getattr(tracer, "_tracer_metrics", None)).__name__ not in (
        "NoneType",
        "NoOpTracerMetrics",
    )


def _at_least(needed: int, limit: int | None) -> bool:
    return limit is None or limit >= needed
