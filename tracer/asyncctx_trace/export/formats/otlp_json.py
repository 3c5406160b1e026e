"""Write spans as OTLP JSON Lines, as specified for the collector's file exporter."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from asyncctx_trace.spans.span import Attributes, Span, by_origin, to_unicode

__all__ = ["SPANS_PER_LINE", "write"]

SPANS_PER_LINE = 500
_ERROR = 2
"""STATUS_CODE_ERROR."""


def write(spans: Iterable[Span]) -> Iterator[str]:
    """Yield a line of JSON for every SPANS_PER_LINE spans, without a line break."""
    rest = iter(spans)
    while batch := list(islice(rest, SPANS_PER_LINE)):
        yield json.dumps(_traces_data(batch), ensure_ascii=False, separators=(",", ":"))


def _traces_data(spans: list[Span]) -> dict[str, Any]:
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(origin.resource)},
                "scopeSpans": [
                    {
                        "scope": {
                            "name": to_unicode(origin.scope),
                            "version": to_unicode(origin.version),
                        },
                        "spans": [_span(span) for span in group],
                        **({"schemaUrl": origin.schema_url} if origin.schema_url else {}),
                    }
                ],
            }
            for origin, group in by_origin(spans).items()
        ]
    }


def _span(span: Span) -> dict[str, Any]:
    written: dict[str, Any] = {
        "traceId": f"{span.trace:032x}",
        "spanId": f"{span.id:016x}",
        "name": to_unicode(span.name),
        "kind": span.kind,
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": str(span.end),
        "attributes": _attributes(span.attributes),
        "status": {} if span.error is None else {"code": _ERROR, "message": to_unicode(span.error)},
    }
    if span.parent is not None:
        written["parentSpanId"] = f"{span.parent:016x}"
    if span.trace_state:
        written["traceState"] = to_unicode(span.trace_state)
    if span.events:
        written["events"] = [
            {
                "timeUnixNano": str(event.at),
                "name": to_unicode(event.name),
                "attributes": _attributes(event.attributes),
            }
            for event in span.events
        ]
    if span.dropped_events:
        written["droppedEventsCount"] = span.dropped_events
    if span.links:
        written["links"] = [
            {
                "traceId": f"{link.trace:032x}",
                "spanId": f"{link.span:016x}",
                "attributes": _attributes(link.attributes),
            }
            for link in span.links
        ]
    return written


def _attributes(attributes: Attributes) -> list[dict[str, Any]]:
    return [{"key": to_unicode(key), "value": _value(value)} for key, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case bytes():
            return {"bytesValue": base64.b64encode(value).decode()}
        case list() | tuple():
            return {"arrayValue": {"values": [_value(each) for each in value]}}
        case dict():
            return {"kvlistValue": {"values": _attributes(value)}}
        case _:
            return {"stringValue": to_unicode(str(value))}
