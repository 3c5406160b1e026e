"""Write spans as the JSON that Jaeger's user interface opens by upload."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from asyncctx_trace.model import conventions as names
from asyncctx_trace.spans.span import Attributes, Span

__all__ = ["write"]


def write(spans: Iterable[Span]) -> Iterator[str]:
    """Yield the document in chunks, one trace in each.

    Times are whole µs, rounded down, so spans that touch in ns touch in µs.
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
    """One trace, with its spans as JSON, which takes less memory."""

    def __init__(self) -> None:
        self.spans: list[str] = []
        self.processes: dict[str, dict[str, Any]] = {}
        self._known: dict[int, tuple[str, Attributes]] = {}
        """Name and resource by the address of the resource: its scopes are one process."""

    def add(self, span: Span) -> None:
        """Add ``span``."""
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
    tags += _tags(
        {
            names.JAEGER_SPAN_KIND: names.SPAN_KINDS[span.kind],
            names.JAEGER_SCOPE_NAME: span.origin.scope,
        }
    )
    if span.origin.version:
        tags += _tags({names.JAEGER_SCOPE_VERSION: span.origin.version})
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
