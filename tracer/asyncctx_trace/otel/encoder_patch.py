"""Lets the OTLP exporter encode what finished spans have in common once."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any

from asyncctx_trace.otel.ready_spans import FinishedSpan

__all__ = ["Encoding", "forget", "teach"]

_ENCODER = "opentelemetry.exporter.otlp.proto.common._internal.trace_encoder"
_ENCODE = "_encode_resource_spans"
_SHAPES = 1024
"""So many are kept: names of resources may be without end."""

_log = logging.getLogger("asyncctx_trace")


class Encoding:
    """Encodes finished spans as copies of an earlier one of their shape, all others as before.

    That one is encoded by the exporter, the next in both ways: where they differ, the exporter
    says more than we know of, and encodes everything itself from then on.
    """

    def __init__(self, own: Any) -> None:
        self.own = own
        """The exporter's own way: from spans to messages, one for each resource."""
        self._shapes: dict[tuple[object, ...], _Shape | None] = {}
        self._trusted = True
        self.copied = 0
        """Spans that were copied."""

    def __call__(self, spans: Sequence[Any]) -> Any:
        """Messages with all ``spans``."""
        if self._trusted:
            try:
                return self._copied(spans)
            except Exception:  # a name that cannot be encoded: the exporter knows what to do
                _log.debug("asyncctx-trace: the exporter encodes spans itself", exc_info=True)
        return self.own(spans)

    def _copied(self, spans: Sequence[Any]) -> list[Any]:
        others: list[Any] = []
        found: dict[int, Any] = {}
        for span in spans:
            shape = self._shape(span) if isinstance(span, FinishedSpan) else None
            if shape is None:
                others.append(span)
                continue
            message = found.get(id(span.origin))
            if message is None:
                found[id(span.origin)] = self.own([span])[0]
            else:
                shape.copy(span, message.scope_spans[0].spans.add())
                self.copied += 1
        return [*(self.own(others) if others else ()), *found.values()]

    def _shape(self, span: FinishedSpan) -> _Shape | None:
        """What ``span`` is to be a copy of; ``None`` if it is to be encoded by the exporter."""
        key: tuple[object, ...] = (span.shape, span.context.trace_flags)
        if span.linked:
            flags = {each.context.trace_flags for each in span.linked}
            if len(flags) > 1 or any(each.context.trace_state for each in span.linked):
                return None  # no link can be copied from another
            key = *key, *flags
        shape = self._shapes.get(key)
        if shape is None:
            if key in self._shapes:
                self._shapes[key] = _Shape(self._encoded(span), span.varying)
            else:
                if len(self._shapes) >= _SHAPES:
                    self._shapes.clear()
                self._shapes[key] = None  # it may be the only one
        elif not shape.compared:
            own = self._encoded(span)
            copied = type(own)()
            shape.copy(span, copied)
            if copied != own:
                self._trusted = False
                raise ValueError("the exporter says something that we do not know of")
            shape.compared = True
        return shape

    def _encoded(self, span: FinishedSpan) -> Any:
        return self.own([span])[0].scope_spans[0].spans[0]


class _Shape:
    """A span that others are copied from."""

    compared = False

    def __init__(self, message: Any, varying: tuple[str, ...]) -> None:
        self._message = message
        self._link = None
        if message.links:
            self._link = type(message.links[0])()
            self._link.CopyFrom(message.links[0])
            del message.links[:]
        places = [each.key for each in message.attributes]
        self._varying = [
            (place, message.attributes[place].value.WhichOneof("value"))
            for place in map(places.index, varying)
        ]

    def copy(self, span: FinishedSpan, message: Any) -> None:
        """Have ``message``, which is empty, say what ``span`` does."""
        message.CopyFrom(self._message)
        context, parent = span.get_span_context(), span.above
        assert context is not None
        message.start_time_unix_nano, message.end_time_unix_nano = span.times
        message.trace_id = context.trace_id.to_bytes(16, "big")
        message.span_id = context.span_id.to_bytes(8, "big")
        if parent is not None:
            message.parent_span_id = parent.span_id.to_bytes(8, "big")
        for link in span.linked:
            copied = message.links.add()
            copied.CopyFrom(self._link)
            copied.trace_id = link.context.trace_id.to_bytes(16, "big")
            copied.span_id = link.context.span_id.to_bytes(8, "big")
        if self._varying:
            attributes = message.attributes
            for (place, kind), value in zip(self._varying, span.values, strict=True):
                setattr(attributes[place].value, kind, value)


def teach() -> None:
    """Teach the exporter, if it is loaded; no error if it knows already, or is another version."""
    encoder = sys.modules.get(_ENCODER)
    own = getattr(encoder, _ENCODE, None)
    if own is not None and not isinstance(own, Encoding):
        setattr(encoder, _ENCODE, Encoding(own))


def forget() -> None:
    """The exporter is as it was."""
    encoder = sys.modules.get(_ENCODER)
    taught = getattr(encoder, _ENCODE, None)
    if isinstance(taught, Encoding):
        setattr(encoder, _ENCODE, taught.own)
