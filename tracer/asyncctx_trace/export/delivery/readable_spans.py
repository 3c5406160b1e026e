"""Our spans as those of OpenTelemetry's SDK, for any of its exporters."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from asyncctx_trace.spans.span import Attributes, Origin, Span, to_unicode

__all__ = ["ReadableSpans"]

_MAX_EVENTS = 1000
"""Events of one span that are sent: a program may print a lot, and requests are limited."""
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_UNSET = Status(StatusCode.UNSET)
_KINDS = (SpanKind.INTERNAL, *SpanKind)
"""By the value of OTLP's enum."""


class _Resource(Resource):
    """A resource that is hashed once; exporters look it up for each span."""

    _hash: int | None = None

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = super().__hash__()
        return self._hash


class _Span(ReadableSpan):
    """A span that knows of events that it does not have."""

    events_left_out = 0

    @property
    def dropped_events(self) -> int:
        return self.events_left_out


class ReadableSpans:
    """Converts spans; those of one origin have the same resource and scope."""

    def __init__(self) -> None:
        self._origins: dict[Origin, tuple[Resource, InstrumentationScope]] = {}

    def of(self, span: Span) -> ReadableSpan:
        """Return the same as ``span``; text that is not Unicode has escapes."""
        resource, scope = self._origins.get(span.origin) or self._add(span.origin)
        state = _trace_state(span.trace_state)
        parent = span.parent
        converted = _Span(
            _text(span.name),
            SpanContext(span.trace, span.id, False, _SAMPLED, state),
            None if parent is None else SpanContext(span.trace, parent, False, _SAMPLED, state),
            resource,
            _clean(span.attributes),
            [
                Event(_text(event.name), _clean(event.attributes), event.at)
                for event in span.events[:_MAX_EVENTS]
            ],
            [
                Link(SpanContext(link.trace, link.span, False, _SAMPLED), _clean(link.attributes))
                for link in span.links
            ],
            _KINDS[span.kind],
            None,
            _UNSET if span.error is None else Status(StatusCode.ERROR, _text(span.error)),
            span.start,
            span.end,
            scope,
        )
        left_out = span.dropped_events + max(0, len(span.events) - _MAX_EVENTS)
        if left_out:
            converted.events_left_out = left_out
        return converted

    def _add(self, origin: Origin) -> tuple[Resource, InstrumentationScope]:
        scope = InstrumentationScope(
            _text(origin.scope), _text(origin.version), _text(origin.schema_url)
        )
        made = self._origins[origin] = _Resource(_clean(origin.resource)), scope
        return made


def _clean(attributes: Attributes) -> Attributes:
    return {_text(key): _value(value) for key, value in attributes.items()}


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return [_value(each) for each in value]
    return _clean(value) if isinstance(value, dict) else value


def _text(text: str) -> str:
    return text if text.isascii() else to_unicode(text)


@lru_cache(1024)
def _trace_state(header: str) -> TraceState | None:
    return TraceState.from_header([to_unicode(header)]) if header else None
