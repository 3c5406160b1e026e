"""Spans <-> the JSON that Jaeger's UI opens by upload, and its older query API gives."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from asyncctx_trace.export.span import Attributes, Link, Origin, Span, SpanEvent
from asyncctx_trace.model import conventions as names

__all__ = ["spans_in", "write"]

_ERROR_TAGS = frozenset({"error", "otel.status_code", "otel.status_description"})
_SCOPE_NAME, _SCOPE_VERSION, _KIND = "otel.scope.name", "otel.scope.version", "span.kind"
_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")


# -- writing --------------------------------------------------------------------------------


def write(spans: Iterable[Span]) -> Iterator[str]:
    """The document in pieces, one trace in each; times are whole µs, rounded down.

    What touches in ns touches in µs: an end is where the next start is.
    """
    traces: dict[int, _Trace] = {}
    for span in spans:
        traces.setdefault(span.trace, _Trace()).add(span)
    yield '{"data":['
    for number, (trace, written) in enumerate(traces.items()):
        yield ("," if number else "") + f'{{"traceID":"{trace:032x}","spans":['
        yield ",".join(written.spans)
        yield f'],"processes":{_json(written.processes)},"warnings":null}}'
    yield "]}"


class _Trace:
    """One trace: its spans as they are written, for they may be many."""

    def __init__(self) -> None:
        self.spans: list[str] = []
        self.processes: dict[str, dict[str, Any]] = {}
        self._known: dict[int, tuple[str, Attributes]] = {}
        """Name and resource by the resource's address: scopes of one resource are one process."""

    def add(self, span: Span) -> None:
        """Write ``span``."""
        resource = span.origin.resource
        name, _ = self._known.setdefault(id(resource), (f"p{len(self._known) + 1}", resource))
        if name not in self.processes:
            self.processes[name] = {
                "serviceName": str(resource.get(names.SERVICE_NAME, "unknown_service")),
                "tags": _tags(resource),
            }
        self.spans.append(_json(_span(span, name)))


def _json(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"))


def _span(span: Span, process: str) -> dict[str, Any]:
    references = []
    if span.parent is not None:
        references.append(_reference("CHILD_OF", span.trace, span.parent))
    references += [_reference("FOLLOWS_FROM", link.trace, link.span) for link in span.links]
    tags = _tags(span.attributes)
    tags += _tags({_KIND: _KINDS[span.kind], _SCOPE_NAME: span.origin.scope})
    if span.origin.version:
        tags += _tags({_SCOPE_VERSION: span.origin.version})
    if span.error is not None:
        tags += _tags(
            {"error": True, "otel.status_code": "ERROR", "otel.status_description": span.error}
        )
    start = span.start // 1000
    return {
        "traceID": f"{span.trace:032x}",
        "spanID": f"{span.id:016x}",
        "flags": 1,
        "operationName": span.name,
        "references": references,
        "startTime": start,
        "duration": span.end // 1000 - start,
        "tags": tags,
        "logs": [
            {
                "timestamp": event.at // 1000,
                "fields": _tags({"event": event.name, **event.attributes}),
            }
            for event in span.events
        ],
        "processID": process,
        "warnings": None,
    }


def _reference(kind: str, trace: int, span: int) -> dict[str, str]:
    return {"refType": kind, "traceID": f"{trace:032x}", "spanID": f"{span:016x}"}


def _tags(attributes: Attributes) -> list[dict[str, Any]]:
    tags = []
    for key, value in attributes.items():
        match value:
            case bool():
                kind = "bool"
            case int():
                kind = "int64"
            case float():
                kind = "float64"
            case str():
                kind = "string"
            case _:
                kind, value = "string", json.dumps(value, default=repr)
        tags.append({"key": key, "type": kind, "value": value})
    return tags


# -- reading --------------------------------------------------------------------------------


def spans_in(document: Any) -> Iterator[Span]:
    """The spans in one parsed document; raises whatever a malformed one leads to."""
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
    scope, version = str(tags.pop(_SCOPE_NAME, "")), str(tags.pop(_SCOPE_VERSION, ""))
    process = span.get("processID", "")
    key = (process, scope, version)
    origin = origins.setdefault(key, Origin(resources.get(process, {}), scope, version))
    failed = tags.get("error") in (True, "true") or tags.get("otel.status_code") == "ERROR"
    description = str(tags.get("otel.status_description", ""))
    kind = tags.pop(_KIND, "internal")
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
        _KINDS.index(kind) if kind in _KINDS else 1,
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
            return int(value)  # type: ignore[arg-type]  # malformed: told by whoever asked
        case "float64":
            return float(value)  # type: ignore[arg-type]  # the same
        case "bool":
            return value is True or value == "true"
    return value
