"""Spans of an acquisition that is over, put into words when somebody reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope
from opentelemetry.trace import Link, SpanContext

from asyncctx_trace.spans import conventions as names
from asyncctx_trace.spans.live import LiveAcquisition
from asyncctx_trace.spans.words import of_body, of_end, of_enter, of_exit

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

    It becomes a complete ReadableSpan with the first look at more than ids and times: exporters
    of other formats look, :mod:`~asyncctx_trace.spans.otlp` knows what it needs without.
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
        self._context = context
        self._parent = parent
        self._start_time, self._end_time = times
        self._links = links
        self._resource, self._instrumentation_info, self._instrumentation_scope = origin

    @property
    def shape(self) -> tuple[object, ...]:
        """Stands for all that spans have in common, but for :attr:`varying`, ids and times."""
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
        super().__init__(
            called,
            self._context,
            self._parent,
            self._resource,
            attributes,
            links=self._links,
            start_time=self._start_time,
            end_time=self._end_time,
            instrumentation_info=self._instrumentation_info,
            instrumentation_scope=self._instrumentation_scope,
        )
        return getattr(self, name)


class FinishedLifecycle(FinishedSpan):
    """The whole acquisition."""

    varying = (names.ACQUISITION, names.RESOURCE_ID, names.TASK_ID, names.TASK_NAME)

    @property
    def shape(self) -> tuple[object, ...]:
        live = self.live
        resource, task = live.resource, live.task
        return (
            names.LIFECYCLE,
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
