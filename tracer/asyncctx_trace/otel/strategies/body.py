"""The span that is current inside the body of an acquisition."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, Status, StatusCode
from opentelemetry.util.types import Attributes, AttributeValue

from asyncctx_trace.otel.live_acquisition import Body, LiveAcquisition

__all__ = ["BodySpan"]

_log = logging.getLogger("asyncctx_trace")


class _Strategy(Protocol):
    """What a body needs of :class:`~asyncctx_trace.otel.strategies.strategy.SpanStrategy`."""

    def lifecycle_context(self, live: LiveAcquisition) -> SpanContext | None: ...
    def body_context(self, body: Body) -> SpanContext: ...
    def real_body(self, body: Body) -> Span: ...
    def now(self) -> int: ...


class BodySpan(Span):
    """Stands for the body's span; the provider's own span is made when something writes to it.

    Nothing writes to most bodies. For them, only this object is made on the task.

    ================  ==============================================================
    attribute         written by, when
    ================  ==============================================================
    ``ended``         the sink, on the task that exits, when the exit begins
    ``real``          the strategy, under its lock, when it is first needed
    ``before``        cleared by the worker when the spans have been made
    ``_recorded``     the program, when it records an exception on the span
    ================  ==============================================================
    """

    ended = False
    real: Span | None = None
    """The provider's own span; ``None`` until it is needed."""
    _recorded: tuple[int, type] | None = None

    def __init__(self, before: Context, live: LiveAcquisition, strategy: _Strategy) -> None:
        self.before: Context | None = before
        """The context to make current again after the body."""
        self.live = live
        self._strategy = strategy

    def get_span_context(self) -> SpanContext:
        return self._strategy.body_context(self)

    def is_recording(self) -> bool:
        if self.ended:
            return False
        if self.real is None and self._strategy.lifecycle_context(self.live) is not None:
            return True  # without making the span
        return self._strategy.real_body(self).is_recording()

    def end(self, end_time: int | None = None) -> None:
        """End the span early; it ends by itself with the body."""
        span = self._writable()
        if span is not None:
            span.end(end_time)

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        span = self._writable()
        if span is not None:
            span.set_attributes(attributes)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        span = self._writable()
        if span is not None:
            span.set_attribute(key, value)

    def add_event(
        self, name: str, attributes: Attributes = None, timestamp: int | None = None
    ) -> None:
        span = self._writable()
        if span is not None:
            # By the clock of its start and end, so that it lies between them.
            span.add_event(
                name, attributes, self._strategy.now() if timestamp is None else timestamp
            )

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        span = self._writable()
        if span is not None:
            span.add_link(context, attributes)

    def update_name(self, name: str) -> None:
        span = self._writable()
        if span is not None:
            span.update_name(name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        span = self._writable()
        if span is not None:
            span.set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        span = self._writable()
        if span is not None:
            self._recorded = (id(exception), type(exception))
            at = self._strategy.now() if timestamp is None else timestamp
            span.record_exception(exception, attributes, at, escaped)

    def has_recorded(self, error: BaseException) -> bool:
        """Return whether ``error`` is what the program itself recorded last on this span."""
        return self._recorded == (id(error), type(error))

    def __getattr__(self, name: str) -> Any:
        # What the provider's spans have besides the API: `name`, `attributes`, `start_time` …
        if name.startswith("__") or (self.ended and self.real is None):
            raise AttributeError(name)
        return getattr(self._strategy.real_body(self), name)

    def __repr__(self) -> str:
        return f"<BodySpan of {self.live.resource.name}>"

    def _writable(self) -> Span | None:
        if self.ended:
            _log.warning("asyncctx-trace: the span of a body that has ended cannot be changed")
            return None
        return self.real or self._strategy.real_body(self)
