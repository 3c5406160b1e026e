"""What the deferred strategy knows of an acquisition: the sampler's decision, ids, and spans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, TraceFlags, TraceState

from asyncctx_trace.otel.trace_limits import TraceSize

__all__ = ["Decision"]


@dataclass(slots=True, eq=False)
class Decision:
    """The deferred strategy's state of an acquisition.

    Written under the strategy's lock. The last three attributes are set when they are first needed,
    the others when the sampler is asked.
    """

    parent: SpanContext | None
    root_context: Context | None
    """The context to start the lifecycle span in, if that is not the acquisition's."""
    links: tuple[Link, ...]
    trace: TraceSize
    """The size of the trace that it is in."""
    trace_id: int
    trace_flags: TraceFlags
    trace_state: TraceState | None
    sampling: Any
    """The sampler's result; ``None`` if it says that nothing is to be recorded."""
    attributes_changed: bool
    """Whether the sampler has changed the attributes."""
    lifecycle_context: SpanContext | None
    """``None`` if nothing is to be recorded."""
    lifecycle: Span | None = None
    body_context: SpanContext | None = None
    enter_context: SpanContext | None = None
