"""Read spans from OTLP JSON Lines, or from the JSON of back ends that is modelled on OTLP."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.model.text import plain
from asyncctx_trace.spans.span import Attributes, Link, Origin, Span, SpanEvent
from asyncctx_trace.spans.span_validation import MALFORMED, check_span

__all__ = ["NotOtlp", "parse", "spans_in"]

_ERROR = 2
"""STATUS_CODE_ERROR."""
_KINDS = {"SPAN_KIND_" + name: value for value, name in enumerate(
    ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
)}  # fmt: skip


class NotOtlp(AsyncctxTraceError):
    """The text is not OTLP JSON."""


def parse(text: str, name: str) -> Iterator[Span]:
    """Yield the spans in ``text``, which is JSON Lines or a single document.

    It accepts what other tools write: arrays, Jaeger's ``result``, ids in either case, numbers as
    strings or numbers, enums by name, unknown fields, and an incomplete last line. ``name`` is that
    of the file, for errors.
    """
    try:
        for document in _documents(text.removeprefix("\ufeff"), name):
            yield from map(check_span, spans_in(document))
    except MALFORMED as error:
        raise NotOtlp(
            f"{name} is not OTLP JSON ({type(error).__name__}: {plain(str(error))}): "
            'each line must be an object with "resourceSpans"'
        ) from None


def _documents(text: str, name: str) -> Iterator[Any]:
    # Not splitlines(): JSON may hold line separators of Unicode as they are.
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        raise NotOtlp(f"{name} is empty: use a file that `export --format otlp-json` wrote")
    for number, line in enumerate(lines, 1):
        try:
            document = json.loads(line)
        except (RecursionError, ValueError) as error:
            if number == 1:  # one document over many lines, or none
                yield _document(text, name)
                return
            if number == len(lines):  # its writer was cut off
                return
            raise NotOtlp(
                f"{name} is damaged in line {number} ({error}): write it again, or remove that line"
            ) from None
        yield document


def _document(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (RecursionError, ValueError) as error:
        raise NotOtlp(
            f"{name} is not OTLP JSON ({error}): use a file that `export --format otlp-json` "
            "or the collector's file exporter wrote"
        ) from None


def spans_in(document: Any) -> Iterator[Span]:
    """The spans in one parsed document; raises whatever a malformed one leads to."""
    if isinstance(document, list):
        for each in document:
            yield from spans_in(each)
        return
    if "result" in document:
        yield from spans_in(document["result"])
        return
    if isinstance(document.get("trace"), dict):  # Tempo's API, version 2
        document = document["trace"]
    groups = _get(document, "resourceSpans", document.get("batches"))  # the latter: version 1
    if groups is None:
        if _get(document, "resourceLogs", None) or _get(document, "resourceMetrics", None):
            return  # another signal in the same file
        raise ValueError('no "resourceSpans"')
    for group in groups:
        resource = _read_attributes(_get(group.get("resource") or {}, "attributes", []))
        for scoped in _get(group, "scopeSpans", None) or group.get(
            "instrumentationLibrarySpans", []
        ):
            scope = scoped.get("scope") or scoped.get("instrumentationLibrary") or {}
            name, version = scope.get("name") or "", scope.get("version") or ""
            origin = Origin(resource, name, version, str(_get(scoped, "schemaUrl", "")))
            for span in scoped.get("spans", []):
                yield _read_span(origin, span)


def _read_span(origin: Origin, span: dict[str, Any]) -> Span:
    status = span.get("status") or {}
    failed = status.get("code") in (_ERROR, str(_ERROR), "STATUS_CODE_ERROR")
    start = int(_get(span, "startTimeUnixNano", 0))
    kind = span.get("kind", 0)
    parent = _get(span, "parentSpanId", "")
    return Span(
        origin,
        _id(_get(span, "traceId", "")),
        _id(_get(span, "spanId", "")),
        _id(parent) or None,
        str(span.get("name") or ""),
        start,
        max(start, int(_get(span, "endTimeUnixNano", start))),
        _read_attributes(span.get("attributes", [])),
        [
            SpanEvent(
                int(_get(event, "timeUnixNano", 0)),
                event.get("name") or "",
                _read_attributes(event.get("attributes", [])),
            )
            for event in span.get("events") or ()
        ],
        [
            Link(
                _id(_get(link, "traceId", "")),
                _id(_get(link, "spanId", "")),
                _read_attributes(link.get("attributes", [])),
            )
            for link in span.get("links") or ()
        ],
        (status.get("message") or "") if failed else None,
        _KINDS.get(kind, 0) if isinstance(kind, str) and not kind.isdigit() else int(kind),
        int(_get(span, "droppedEventsCount", 0)),
        _get(span, "traceState", ""),
    )


def _get(fields: dict[str, Any], name: str, default: Any) -> Any:
    """A field under its JSON name, or as protobuf spells it."""
    found = fields.get(name)
    if found is None:
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
        found = fields.get(snake)
    return default if found is None else found


def _id(text: str) -> int:
    try:
        return int(text, 16) if text else 0
    except ValueError:  # as protobuf's own JSON has bytes
        return int.from_bytes(base64.b64decode(text, validate=True))


def _read_attributes(pairs: Any) -> Attributes:
    return {pair["key"]: _read_value(pair.get("value") or {}) for pair in pairs or ()}


def _read_value(value: dict[str, Any]) -> Any:
    for key, found in value.items():
        match key:
            case "stringValue" | "string_value" | "boolValue" | "bool_value":
                return found
            case "intValue" | "int_value":
                return int(found)
            case "doubleValue" | "double_value":
                return float(found)
            case "bytesValue" | "bytes_value":
                return base64.b64decode(found)
            case "arrayValue" | "array_value":
                return [_read_value(each) for each in found.get("values", [])]
            case "kvlistValue" | "kvlist_value":
                return _read_attributes(found.get("values", []))
    return ""
