"""Which way to make spans a TracerProvider of the user's allows."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import NoOpTracer, TracerProvider

from asyncctx_trace.model import conventions as names
from asyncctx_trace.otel.deferred import LateTracing
from asyncctx_trace.otel.eager import PromptTracing
from asyncctx_trace.otel.tracer import Tracing

if TYPE_CHECKING:
    from asyncctx_trace.otel.fast_path import HandOver

__all__ = ["batch_for", "tracing_of"]

_BATCH = 512
"""Spans of ours that may lie in the provider's queue: a quarter of the SDK's by default."""


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
        return LateTracing(tracer, new_trace_after, _handing(tracer))
    return PromptTracing(tracer, new_trace_after)


def _handing(tracer: Any) -> HandOver | None:
    sdk = sys.modules.get("opentelemetry.sdk.trace")
    if type(tracer) is not getattr(sdk, "Tracer", None):
        return None
    try:
        from asyncctx_trace.otel.fast_path import HandOver

        return HandOver(tracer)
    except (ImportError, AttributeError):  # an SDK that is built in another way
        return None


def batch_for(provider: Any) -> int:
    """How many spans of ours may wait for export: half of the smallest queue that we can see."""
    processor = getattr(provider, "_active_span_processor", None)
    sizes = [_BATCH * 2]
    for each in getattr(processor, "_span_processors", ()):
        inner = getattr(each, "_batch_processor", each)
        size = getattr(inner, "_max_queue_size", getattr(inner, "max_queue_size", None))
        if isinstance(size, int):
            sizes.append(size)
    return max(4, min(sizes) // 2)
