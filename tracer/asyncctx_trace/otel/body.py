"""The span that is current inside the body of an acquisition."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, Status, StatusCode
from opentelemetry.util.types import Attributes, AttributeValue

if TYPE_CHECKING:
    from asyncctx_trace.otel.acquisition import LiveAcquisition
    from asyncctx_trace.otel.tracer import Tracing

__all__ = ["BodySpan"]

_log = logging.getLogger("asyncctx_trace")


class BodySpan(Span):
    """Stands for the body's span, and becomes a real one when somebody writes to it.

    Most bodies are never touched: for them an id in the context is all that is paid for.
    """

    ended = False
    real: Span | None = None
    """The provider's own span, once there is one."""
    _recorded: tuple[int, type] | None = None

    def __init__(self, before: Context, live: LiveAcquisition, tracing: Tracing) -> None:
        self.before: Context | None = before
        """The context that is current again after the body; ``None`` once that is long done."""
        self.live = live
        self._tracing = tracing

    def get_span_context(self) -> SpanContext:
        return self.live.body_context or self._tracing.context_of_body(self)

    def is_recording(self) -> bool:
        if self.ended:
            return False
        if self.real is None and self._tracing.context_of(self.live) is not None:
            return True  # without making it: many only ask
        return self._tracing.real_body(self).is_recording()

    def end(self, end_time: int | None = None) -> None:
        """End the span early; it ends by itself with the body."""
        span = self._touched()
        if span is not None:
            span.end(end_time)

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        span = self._touched()
        if span is not None:
            span.set_attributes(attributes)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        span = self._touched()
        if span is not None:
            span.set_attribute(key, value)

    def add_event(
        self, name: str, attributes: Attributes = None, timestamp: int | None = None
    ) -> None:
        span = self._touched()
        if span is not None:
            # By our clock, or the event could lie outside of the span by a hair.
            span.add_event(
                name, attributes, self._tracing.now() if timestamp is None else timestamp
            )

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        span = self._touched()
        if span is not None:
            span.add_link(context, attributes)

    def update_name(self, name: str) -> None:
        span = self._touched()
        if span is not None:
            span.update_name(name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        span = self._touched()
        if span is not None:
            span.set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        span = self._touched()
        if span is not None:
            self._recorded = (id(exception), type(exception))
            at = self._tracing.now() if timestamp is None else timestamp
            span.record_exception(exception, attributes, at, escaped)

    def recorded(self, error: BaseException) -> bool:
        """Whether the program has recorded ``error`` on this span itself, last of all."""
        return self._recorded == (id(error), type(error))

    def __getattr__(self, name: str) -> Any:
        # What the provider's spans have beyond the API: `name`, `attributes`, `start_time` …
        if name.startswith("__") or (self.ended and self.real is None):
            raise AttributeError(name)
        return getattr(self._tracing.real_body(self), name)

    def __repr__(self) -> str:
        return f"<BodySpan of {self.live.resource.name}>"

    def _touched(self) -> Span | None:
        if self.ended:
            _log.warning("asyncctx-trace: the span of a body that is over cannot be changed")
            return None
        return self.real or self._tracing.real_body(self)
