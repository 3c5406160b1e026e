"""Spans of an acquisition that is over, put into words when somebody reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope
from opentelemetry.trace import Link, SpanContext

from asyncctx_trace.model import conventions as names
from asyncctx_trace.otel.acquisition import LiveAcquisition
from asyncctx_trace.otel.span_content import of_body, of_end, of_enter, of_exit

__all__ = [
    "FinishedBody",
    "FinishedEnter",
    "FinishedExit",
    "FinishedLifecycle",
    "FinishedSpan",
    "Origin",
]

Origin = tuple[Resource, InstrumentationInfo, InstrumentationScope]
"""What the tracer puts on each of its spans."""


class FinishedSpan(ReadableSpan):
    """What a processor gets at the end of a span; of an acquisition in which all went well.

    It becomes a complete ReadableSpan with the first look at more than its context: exporters of
    other formats look, :mod:`~asyncctx_trace.otel.encoder_patch` gets along without.
    """

    varying: ClassVar[tuple[str, ...]] = ()
    """Attributes that differ between spans of one :attr:`shape`."""

    def __init__(
        self,
        live: LiveAcquisition,
        origin: Origin,
        context: SpanContext,
        parent: SpanContext | None,
        times: tuple[int, int],
        links: Sequence[Link] = (),
    ) -> None:
        self.live = live
        self.origin = origin
        self._context = context  # processors look at it
        self.above = parent
        self.times = times
        """Of its start and its end, as ns since 1970."""
        self.linked = links
        """All of one kind, to spans of ours."""

    @property
    def shape(self) -> tuple[object, ...]:
        """Stands for all that it says but :attr:`varying`, times, links and its trace."""
        raise NotImplementedError

    @property
    def values(self) -> tuple[Any, ...]:
        """Of the :attr:`varying` attributes."""
        return ()

    def _words(self) -> tuple[str, dict[str, Any]]:
        """Its name and its attributes."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_name" in vars(self) or "live" not in vars(self):
            raise AttributeError(name)
        called, attributes = self._words()
        resource, info, scope = self.origin
        start, end = self.times
        super().__init__(
            called,
            self._context,
            self.above,
            resource,
            attributes,
            links=self.linked,
            start_time=start,
            end_time=end,
            instrumentation_info=info,
            instrumentation_scope=scope,
        )
        return getattr(self, name)


class FinishedLifecycle(FinishedSpan):
    """The whole acquisition."""

    varying = (names.ACQUISITION, names.RESOURCE_ID, names.TASK_ID, names.TASK_NAME)

    @property
    def shape(self) -> tuple[object, ...]:
        live, above = self.live, self.above
        resource, task = live.resource, live.task
        return (
            None if above is None else above.is_remote,
            live.manager,
            resource.kind,
            resource.name,
            resource.capacity,
            live.site,
            task.runtime,
            task.thread,
        )

    @property
    def values(self) -> tuple[Any, ...]:
        live = self.live
        return live.id, live.resource.id, live.task.id, live.task.name

    def _words(self) -> tuple[str, dict[str, Any]]:
        live = self.live
        return names.span_name(live.resource.name), {**live.attributes, **of_end(live)}


class FinishedEnter(FinishedSpan):
    """The enter."""

    @property
    def shape(self) -> tuple[object, ...]:
        return names.ENTER, self.live.waiters_before, self.live.blocker_count

    def _words(self) -> tuple[str, dict[str, Any]]:
        return names.ENTER, of_enter(self.live)


class FinishedBody(FinishedSpan):
    """The body."""

    @property
    def shape(self) -> tuple[object, ...]:
        return (names.BODY,)

    def _words(self) -> tuple[str, dict[str, Any]]:
        return names.BODY, of_body(self.live)


class FinishedExit(FinishedSpan):
    """The exit."""

    @property
    def shape(self) -> tuple[object, ...]:
        return names.EXIT, self.live.exit_task

    def _words(self) -> tuple[str, dict[str, Any]]:
        return names.EXIT, of_exit(self.live)
