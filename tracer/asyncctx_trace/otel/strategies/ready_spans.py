"""Ready-made spans of an acquisition; their attributes are built when somebody reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope
from opentelemetry.trace import Link, SpanContext

from asyncctx_trace.model import conventions as names
from asyncctx_trace.otel.live_acquisition import LiveAcquisition, Progress
from asyncctx_trace.otel.strategies.phase_attributes import (
    body_attributes,
    enter_attributes,
    exit_attributes,
    final_attributes,
)

__all__ = ["Origin", "ReadyBody", "ReadyEnter", "ReadyExit", "ReadyLifecycle", "ReadySpan"]

Origin = tuple[Resource, InstrumentationInfo, InstrumentationScope]
"""What a tracer sets on each of its spans."""


class ReadySpan(ReadableSpan):
    """A finished span of an acquisition in which all phases ended well.

    It becomes a complete ReadableSpan when an attribute other than its context is first read.
    :mod:`~asyncctx_trace.otel.sdk_patches.encoder_patch` encodes it without that.
    """

    varying: tuple[str, ...] = ()
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
        """``times`` are the start and the end, in ns since 1970; ``links`` are of one kind."""
        self.live = live
        self.origin = origin
        self._context = context  # processors read it
        self.parent_context = parent
        self.times = times
        self.ready_links = links

    @property
    def shape(self) -> tuple[object, ...]:
        """What determines everything but :attr:`varying`, times, links and ids."""
        raise NotImplementedError

    @property
    def values(self) -> tuple[Any, ...]:
        """The values of the :attr:`varying` attributes."""
        return ()

    def _name_and_attributes(self) -> tuple[str, dict[str, Any]]:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_name" in vars(self) or "live" not in vars(self):
            raise AttributeError(name)
        span_name, attributes = self._name_and_attributes()
        resource, info, scope = self.origin
        start, end = self.times
        super().__init__(
            span_name,
            self._context,
            self.parent_context,
            resource,
            attributes,
            links=self.ready_links,
            start_time=start,
            end_time=end,
            instrumentation_info=info,
            instrumentation_scope=scope,
        )
        return getattr(self, name)


def _place(live: LiveAcquisition) -> tuple[object, ...]:
    return live.resource.kind, live.resource.name, live.site


class ReadyLifecycle(ReadySpan):
    """The lifecycle span."""

    varying = (names.ACQUISITION, names.RESOURCE_ID, names.TASK_ID, names.TASK_NAME)

    @property
    def shape(self) -> tuple[object, ...]:
        live, parent = self.live, self.parent_context
        resource, task = live.resource, live.task
        return (
            None if parent is None else parent.is_remote,
            live.manager,
            resource.kind,
            resource.name,
            resource.capacity,
            live.site,
            live.by_call,
            task.runtime,
            task.thread,
        )

    @property
    def values(self) -> tuple[Any, ...]:
        live = self.live
        return live.id, live.resource.id, live.task.id, live.task.name

    def _name_and_attributes(self) -> tuple[str, dict[str, Any]]:
        live = self.live
        return names.span_name(live.resource.name), {**live.attributes, **final_attributes(live)}


class ReadyEnter(ReadySpan):
    """The span of the enter."""

    @property
    def _progress(self) -> Progress:
        progress = self.live.progress
        assert progress is not None
        return progress

    @property
    def shape(self) -> tuple[object, ...]:
        progress = self._progress
        return names.ENTER, *_place(self.live), progress.waiters_before, progress.blocker_count

    def _name_and_attributes(self) -> tuple[str, dict[str, Any]]:
        return names.ENTER, enter_attributes(self.live, self._progress)


class ReadyBody(ReadySpan):
    """The span of the body."""

    @property
    def shape(self) -> tuple[object, ...]:
        return names.BODY, *_place(self.live), bool(self.values)

    @property
    def values(self) -> tuple[Any, ...]:
        progress = self.live.progress
        return () if progress is None else progress.let_in_by or ()

    @property
    def varying(self) -> tuple[str, ...]:  # type: ignore[override]  # read only, as there
        return (names.LET_IN_BY, names.LET_IN_BY_TASK) if self.values else ()

    def _name_and_attributes(self) -> tuple[str, dict[str, Any]]:
        return names.BODY, body_attributes(self.live)


class ReadyExit(ReadySpan):
    """The span of the exit."""

    @property
    def shape(self) -> tuple[object, ...]:
        live = self.live
        how = live.exit_task, live.exit_site, live.exit_flags, live.suppressed
        return names.EXIT, *_place(live), *how

    def _name_and_attributes(self) -> tuple[str, dict[str, Any]]:
        return names.EXIT, exit_attributes(self.live)
