"""The patch of the OTLP exporter's encoder: what spans have in common is encoded once."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from asyncctx_trace.otel.strategies.ready_spans import ReadySpan

__all__ = ["OPT_OUT", "PatchedEncoder", "patch_encoder", "unpatch_encoder"]

OPT_OUT = "ASYNCCTX_TRACE_PATCH_EXPORTER"
"""The environment variable that, set to ``0``, ``false`` or ``off``, leaves the exporter alone."""
_ENCODER = "opentelemetry.exporter.otlp.proto.common._internal.trace_encoder"
_ENCODE = "_encode_resource_spans"
_TEMPLATES = 1024
"""Templates that are kept: a program may have any number of names of resources."""

_log = logging.getLogger("asyncctx_trace")


class PatchedEncoder:
    """Encodes ready-made spans as copies of an earlier one of their shape, others as before.

    The first span of a shape is encoded by the exporter alone, the second by the exporter and as a
    copy. If the two differ, the exporter encodes something that is not known here; from then on it
    encodes everything itself.
    """

    def __init__(self, own: Any) -> None:
        self.own = own
        """The exporter's own encoder: spans -> messages, one for each resource."""
        self._templates: dict[tuple[object, ...], _Template | None] = {}
        """By shape; ``None`` after the first span of a shape."""
        self._trusted = True
        self.copied = 0
        """Spans that were encoded as copies."""

    def __call__(self, spans: Sequence[Any]) -> Any:
        """Return messages with all ``spans``."""
        if self._trusted:
            try:
                return self._encode(spans)
            except Exception:  # such as a name that is not Unicode, which the exporter handles
                _log.debug("asyncctx-trace: the exporter encodes spans itself", exc_info=True)
        return self.own(spans)

    def _encode(self, spans: Sequence[Any]) -> list[Any]:
        others: list[Any] = []
        messages: dict[int, Any] = {}
        for span in spans:
            template = self._template(span) if isinstance(span, ReadySpan) else None
            if template is None:
                others.append(span)
                continue
            message = messages.get(id(span.origin))
            if message is None:
                messages[id(span.origin)] = self.own([span])[0]
            else:
                template.copy(span, message.scope_spans[0].spans.add())
                self.copied += 1
        return [*(self.own(others) if others else ()), *messages.values()]

    def _template(self, span: ReadySpan) -> _Template | None:
        """Return what ``span`` is a copy of; ``None`` if the exporter has to encode it."""
        key: tuple[object, ...] = (span.shape, span.context.trace_flags)
        if span.ready_links:
            flags = {link.context.trace_flags for link in span.ready_links}
            if len(flags) > 1 or any(link.context.trace_state for link in span.ready_links):
                return None  # the links cannot be copied from one
            key = *key, *flags
        template = self._templates.get(key)
        if template is None:
            if key in self._templates:
                self._templates[key] = _Template(self._encode_one(span), span.varying)
            else:
                if len(self._templates) >= _TEMPLATES:
                    self._templates.clear()
                self._templates[key] = None  # it may be the only one
        elif not template.compared:
            own = self._encode_one(span)
            copied = type(own)()
            template.copy(span, copied)
            if copied != own:
                self._trusted = False
                raise ValueError("the exporter encodes something that is not known here")
            template.compared = True
        return template

    def _encode_one(self, span: ReadySpan) -> Any:
        return self.own([span])[0].scope_spans[0].spans[0]


class _Template:
    """The message of a span, of which others are copies but for ids, times and some values."""

    compared = False
    """Whether a copy was found equal to what the exporter encodes."""

    def __init__(self, message: Any, varying: tuple[str, ...]) -> None:
        self._message = message
        self._link = None
        if message.links:
            self._link = type(message.links[0])()
            self._link.CopyFrom(message.links[0])
            del message.links[:]
        keys = [attribute.key for attribute in message.attributes]
        self._varying = [
            (index, message.attributes[index].value.WhichOneof("value"))
            for index in map(keys.index, varying)
        ]

    def copy(self, span: ReadySpan, message: Any) -> None:
        """Fill ``message``, which is empty, with the contents of ``span``."""
        message.CopyFrom(self._message)
        context, parent = span.get_span_context(), span.parent_context
        assert context is not None
        message.start_time_unix_nano, message.end_time_unix_nano = span.times
        message.trace_id = context.trace_id.to_bytes(16, "big")
        message.span_id = context.span_id.to_bytes(8, "big")
        if parent is not None:
            message.parent_span_id = parent.span_id.to_bytes(8, "big")
        for link in span.ready_links:
            copied = message.links.add()
            copied.CopyFrom(self._link)
            copied.trace_id = link.context.trace_id.to_bytes(16, "big")
            copied.span_id = link.context.span_id.to_bytes(8, "big")
        if self._varying:
            attributes = message.attributes
            for (index, kind), value in zip(self._varying, span.values, strict=True):
                setattr(attributes[index].value, kind, value)


def patch_encoder() -> None:
    """Patch the exporter's encoder if it is loaded, is not patched, and has the known function.

    Nothing is patched if :data:`OPT_OUT` says so.
    """
    if os.environ.get(OPT_OUT, "").strip().lower() in ("0", "false", "off", "no"):
        return
    encoder = sys.modules.get(_ENCODER)
    own = getattr(encoder, _ENCODE, None)
    if own is not None and not isinstance(own, PatchedEncoder):
        setattr(encoder, _ENCODE, PatchedEncoder(own))


def unpatch_encoder() -> None:
    """Restore the exporter's encoder."""
    encoder = sys.modules.get(_ENCODER)
    patched = getattr(encoder, _ENCODE, None)
    if isinstance(patched, PatchedEncoder):
        setattr(encoder, _ENCODE, patched.own)
