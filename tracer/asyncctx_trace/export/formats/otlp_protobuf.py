"""Convert spans to the protobuf requests of OTLP."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from asyncctx_trace.spans.span import Attributes, Span, by_origin, to_unicode

__all__ = ["request"]


def request(spans: Iterable[Span]) -> ExportTraceServiceRequest:
    """Return one request with all ``spans``."""
    return ExportTraceServiceRequest(
        resource_spans=[
            trace_pb2.ResourceSpans(
                resource=Resource(attributes=_attributes(origin.resource)),
                scope_spans=[
                    trace_pb2.ScopeSpans(
                        scope=InstrumentationScope(
                            name=to_unicode(origin.scope), version=to_unicode(origin.version)
                        ),
                        spans=map(_span, ours),
                    )
                ],
            )
            for origin, ours in by_origin(spans).items()
        ]
    )


def _span(span: Span) -> trace_pb2.Span:
    status = trace_pb2.Status()
    if span.error is not None:
        status = trace_pb2.Status(
            code=trace_pb2.Status.STATUS_CODE_ERROR, message=to_unicode(span.error)
        )
    return trace_pb2.Span(
        trace_id=span.trace.to_bytes(16),
        span_id=span.id.to_bytes(8),
        parent_span_id=b"" if span.parent is None else span.parent.to_bytes(8),
        trace_state=to_unicode(span.trace_state),
        name=to_unicode(span.name),
        kind=trace_pb2.Span.SpanKind.ValueType(span.kind),
        start_time_unix_nano=span.start,
        end_time_unix_nano=span.end,
        attributes=_attributes(span.attributes),
        events=[
            trace_pb2.Span.Event(
                time_unix_nano=event.at,
                name=to_unicode(event.name),
                attributes=_attributes(event.attributes),
            )
            for event in span.events
        ],
        dropped_events_count=span.dropped_events,
        links=[
            trace_pb2.Span.Link(
                trace_id=link.trace.to_bytes(16),
                span_id=link.span.to_bytes(8),
                attributes=_attributes(link.attributes),
            )
            for link in span.links
        ],
        status=status,
    )


def _attributes(attributes: Attributes) -> list[KeyValue]:
    return [KeyValue(key=to_unicode(key), value=_value(value)) for key, value in attributes.items()]


def _value(value: Any) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list() | tuple():
            return AnyValue(array_value=ArrayValue(values=map(_value, value)))
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=_attributes(value)))
        case _:
            return AnyValue(string_value=to_unicode(str(value)))
