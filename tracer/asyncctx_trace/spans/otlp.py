"""Lets the OTLP exporter encode what finished spans have in common once."""

from __future__ import annotations

import sys
from typing import Any

from asyncctx_trace.spans.finished import FinishedSpan

__all__ = ["Encoding", "forget", "teach"]

_ENCODER = "opentelemetry.exporter.otlp.proto.common._internal.trace_encoder"
_ENCODE = "_encode_span"
_SHAPES = 1024
"""So many are kept: names of resources may be without end."""

_taught: Any = None


class Encoding:
    """Encodes a finished span as a copy of one of the same shape; all other spans as before.

    What a copy is compared with is the exporter's own word, once for each shape: an exporter that
    says more than we know of encodes everything itself.
    """

    def __init__(self, own: Any) -> None:
        self.own = own
        self._shapes: dict[tuple[object, ...], _Shape] = {}
        self._trusted = True

    def __call__(self, span: Any) -> Any:
        """The span as protobuf message."""
        if isinstance(span, FinishedSpan) and self._trusted and not span._links:
            try:
                return self._copied(span)
            except Exception:
                self._trusted = False  # the exporter says what it thinks of it
        return self.own(span)

    def _copied(self, span: FinishedSpan) -> Any:
        context, parent = span.context, span.parent
        if context.trace_state:
            return self.own(span)
        key = (span.shape, context.trace_flags, None if parent is None else parent.is_remote)
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= _SHAPES:
                self._shapes.clear()
            message = self.own(span)
            self._shapes[key] = _Shape(message, span.varying)
            return message
        message = shape.copy(span)
        if not shape.compared:
            shape.compared = True
            own = self.own(span)
            self._trusted = message == own
            return own
        return message


class _Shape:
    """A span that others are copied from."""

    compared = False

    def __init__(self, message: Any, varying: tuple[str, ...]) -> None:
        self._new = type(message)
        self._message = message
        places = [each.key for each in message.attributes]
        self._varying = [
            (place, message.attributes[place].value.WhichOneof("value"))
            for place in map(places.index, varying)
        ]

    def copy(self, span: FinishedSpan) -> Any:
        message = self._new()
        message.CopyFrom(self._message)
        context, parent = span.context, span.parent
        message.trace_id = context.trace_id.to_bytes(16, "big")
        message.span_id = context.span_id.to_bytes(8, "big")
        if parent is not None:
            message.parent_span_id = parent.span_id.to_bytes(8, "big")
        message.start_time_unix_nano = span.start_time
        message.end_time_unix_nano = span.end_time
        attributes = message.attributes
        for (place, kind), value in zip(self._varying, span.values, strict=True):
            setattr(attributes[place].value, kind, value)
        return message


def teach() -> None:
    """Teach the exporter, if it is loaded; no error if it knows already, or is another version."""
    global _taught
    encoder = sys.modules.get(_ENCODER)
    own = getattr(encoder, _ENCODE, None)
    if own is not None and not isinstance(own, Encoding):
        _taught = Encoding(own)
        setattr(encoder, _ENCODE, _taught)


def forget() -> None:
    """The exporter is as it was."""
    global _taught
    encoder = sys.modules.get(_ENCODER)
    if _taught is not None and getattr(encoder, _ENCODE, None) is _taught:
        setattr(encoder, _ENCODE, _taught.own)
    _taught = None
