"""Read spans from Jaeger's own JSON, which its older query API returns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asyncctx_trace.model import conventions as names
from asyncctx_trace.spans.span import Attributes, Link, Origin, Span, SpanEvent

__all__ = ["spans_in"]

_ERROR_TAGS = frozenset({"error", "otel.status_code", "otel.status_description"})


def spans_in(document: Any) -> Iterator[Span]:
    """Yield the spans in one parsed document."""
    for trace in document["data"] or ():
        resources: dict[str, Attributes] = {}
        for name, process in trace.get("processes", {}).items():
            service = {names.SERVICE_NAME: process.get("serviceName", "")}
            resources[name] = {**_read_tags(process.get("tags")), **service}
        origins: dict[tuple[str, str, str], Origin] = {}
        for span in trace["spans"]:
            yield _read_span(span, resources, origins)


def _read_span(
    span: dict[str, Any],
    resources: dict[str, Attributes],
    origins: dict[tuple[str, str, str], Origin],
) -> Span:
    tags = _read_tags(span.get("tags"))
    scope, version = (
        str(tags.pop(names.JAEGER_SCOPE_NAME, "")),
        str(tags.pop(names.JAEGER_SCOPE_VERSION, "")),
    )
    process = span.get("processID", "")
    key = (process, scope, version)
    origin = origins.setdefault(key, Origin(resources.get(process, {}), scope, version))
    failed = tags.get("error") in (True, "true") or tags.get("otel.status_code") == "ERROR"
    description = str(tags.get("otel.status_description", ""))
    kind = tags.pop(names.JAEGER_SPAN_KIND, "internal")
    trace, parent, links = int(span["traceID"], 16), None, []
    for reference in span.get("references") or ():
        other = int(reference["traceID"], 16), int(reference["spanID"], 16)
        if reference.get("refType") == "CHILD_OF" and parent is None and other[0] == trace:
            parent = other[1]
        else:
            links.append(Link(*other, {}))
    start = int(span["startTime"]) * 1000
    return Span(
        origin,
        trace,
        int(span["spanID"], 16),
        parent,
        span.get("operationName", ""),
        start,
        start + int(span.get("duration", 0)) * 1000,
        {key: value for key, value in tags.items() if key not in _ERROR_TAGS},
        [_read_log(log) for log in span.get("logs") or ()],
        links,
        description if failed else None,
        names.SPAN_KINDS.index(kind) if kind in names.SPAN_KINDS else 1,
    )


def _read_log(log: dict[str, Any]) -> SpanEvent:
    fields = _read_tags(log.get("fields"))
    return SpanEvent(int(log["timestamp"]) * 1000, str(fields.pop("event", "log")), fields)


def _read_tags(tags: Any) -> Attributes:
    return {tag["key"]: _read_tag(tag) for tag in tags or ()}


def _read_tag(tag: dict[str, Any]) -> Any:
    value = tag.get("value")
    match tag.get("type"):
        case "int64":
            return int(value)  # type: ignore[arg-type]  # malformed: the caller reports it
        case "float64":
            return float(value)  # type: ignore[arg-type]  # the same
        case "bool":
            return value is True or value == "true"
    return value
