"""Select how to make spans with a TracerProvider of the user's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import NoOpTracer, TracerProvider

from asyncctx_trace.model import conventions as names
from asyncctx_trace.otel.strategies.deferred import DeferredStrategy
from asyncctx_trace.otel.strategies.eager import EagerStrategy
from asyncctx_trace.otel.strategies.strategy import SpanStrategy
from asyncctx_trace.otel.trace_limits import TraceLimits

if TYPE_CHECKING:
    from asyncctx_trace.otel.strategies.fast_path import FastPath

__all__ = ["provider_capacity", "select_strategy"]

_CAPACITY = 512
"""The most that is used: a quarter of the SDK's queue by default."""


def select_strategy(
    provider: TracerProvider, version: str, limits: TraceLimits
) -> SpanStrategy | None:
    """Return how to make spans with ``provider``, ``None`` if it makes none.

    Tracers of the SDK, and those that look like them, show their sampler and id generator, so spans
    can be made later, under ids that are known before. With other providers, the lifecycle and
    body spans are made on the task.
    """
    tracer = provider.get_tracer(names.SCOPE, version, names.SCHEMA_URL)
    if isinstance(tracer, NoOpTracer):
        return None
    if hasattr(tracer, "sampler") and hasattr(tracer, "id_generator"):
        return DeferredStrategy(tracer, limits, _fast_path(tracer))
    return EagerStrategy(tracer, limits)


def _fast_path(tracer: Any) -> FastPath | None:
    sdk = sys.modules.get("opentelemetry.sdk.trace")
    if type(tracer) is not getattr(sdk, "Tracer", None):
        return None
    try:
        from asyncctx_trace.otel.strategies.fast_path import FastPath

        return FastPath(tracer)
    except (ImportError, AttributeError):  # a version of the SDK that is built in another way
        return None


def provider_capacity(provider: Any) -> int:
    """Return how many spans of ours may wait in the provider: half of its smallest queue."""
    processor = getattr(provider, "_active_span_processor", None)
    sizes = [2 * _CAPACITY]
    for each in getattr(processor, "_span_processors", ()):
        inner = getattr(each, "_batch_processor", each)
        size = getattr(inner, "_max_queue_size", getattr(inner, "max_queue_size", None))
        if isinstance(size, int):
            sizes.append(size)
    return max(4, min(sizes) // 2)
