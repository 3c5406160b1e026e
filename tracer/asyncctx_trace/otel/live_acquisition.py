"""The state of an acquisition on its way to spans, one class for each owner.

The owner of a class is the only one that writes its attributes; everybody may read them.

========================  ========================  ============================================
class                     written by                on which thread
========================  ========================  ============================================
:class:`LiveAcquisition`  ``sink``                  that of the program's tasks, as events occur
the strategy's state      ``deferred``, ``eager``   the first that needs an id or a span, under
                                                    the strategy's lock
:class:`Progress`         ``worker``                the worker's, or that of a flush, under the
                                                    worker's lock
========================  ========================  ============================================

An acquisition refers to the state of its strategy by ``spans`` and to that of the worker by
``progress``: each owner creates its own and sets that reference, once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext

from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.otel.definitions import ResourceInfo, SiteInfo, TaskInfo
from asyncctx_trace.otel.error_info import ErrorInfo, ErrorKey, describe, key_of
from asyncctx_trace.spans.attributes import lifecycle_attributes

__all__ = ["Body", "LiveAcquisition", "Progress"]

_EMPTY = Context()


class Body(Protocol):
    """The span that is current in a body, made by the strategy."""

    live: LiveAcquisition
    before: Context | None
    real: Span | None
    ended: bool

    def get_span_context(self) -> SpanContext:
        """Return the context of the span, the parent of spans inside the body."""

    def has_recorded(self, error: BaseException) -> bool:
        """Return whether the program recorded ``error`` on the span."""


@dataclass(slots=True, eq=False)
class Progress:
    """What the worker knows of an acquisition.

    ===================  ==================================================
    attribute            when it is written
    ===================  ==================================================
    ``steps``            each time the acquisition is taken from the queue
    ``measured``         when it begins to wait, with a meter provider
    ``waiters_before``   when it begins to wait for a resource with a limit
    ``blocker_count``    when the wait ends
    ``blockers``         when the wait ends; cleared when it is finished
    ``let_in_by``        when the wait ends
    ``blocked``          when such a wait or its own exit ends; cleared when it is finished
    ===================  ==================================================
    """

    steps: int = 0
    """How many of its steps (wait, entered, ended) the worker has processed."""
    measured: bool = False
    """Whether it was counted as a waiter."""
    waiters_before: int | None = None
    blocker_count: int = 0
    blockers: tuple[LiveAcquisition, ...] = ()
    """The last of the holders that blocked it."""
    let_in_by: tuple[int, str] | None = None
    """Acquisition and task of the last of the blockers to leave before it entered."""
    blocked: list[LiveAcquisition] = field(default_factory=list)
    """The first waiters that it blocked."""


class LiveAcquisition:
    """What happened to an acquisition so far; times are monotonic ns.

    Attributes that still have their defaults are not set on the instance: it is created on the
    program's task.

    ==================================  ===========================================================
    attribute                           when it is written
    ==================================  ===========================================================
    parameters of the constructor       the wait begins
    ``by_call``, ``never_sampled``      the wait begins
    ``enter_*``                         the wait ends
    ``body``                            the wait ends with success
    ``body_*``, ``exit_started``,       the exit begins
    ``exit_task``, ``exit_site``
    ``exit_*`` otherwise,               the exit ends
    ``suppressed``
    ``last_error``                      a phase of it or of an acquisition inside it ends in error
    ``parent``, ``body``, ``context``   cleared by :meth:`release` when its spans have been made
    ==================================  ===========================================================
    """

    enter_ended = 0
    exit_started = 0
    exit_ended = 0
    enter_outcome = 0
    body_outcome = 0
    exit_outcome = 0
    suppressed = False
    exit_task: TaskInfo | None = None
    """The task that exits, if it is not the one that entered."""
    exit_site: SiteInfo | None = None
    """The call that began the exit, if that is not the end of the ``async with``."""
    exit_flags = 0
    enter_error: ErrorInfo | None = None
    body_error: ErrorInfo | None = None
    exit_error: ErrorInfo | None = None
    last_error: ErrorKey | None = None
    """The exception that was described last."""
    by_call = False
    """Whether a method such as ``acquire()`` was called."""
    never_sampled = False
    """Whether it is certain without asking the sampler that there are no spans."""
    body: Body | None = None
    """The span that is current in the body."""

    spans: Any = None
    """The strategy's state; ``None`` until the sampler has been asked."""
    progress: Progress | None = None
    """The worker's state; ``None`` until the worker has seen it."""

    def __init__(
        self,
        id: int,
        enter_started: int,
        parent: LiveAcquisition | None,
        task: TaskInfo,
        manager: str,
        resource: ResourceInfo,
        site: SiteInfo | None,
        context: Context,
    ) -> None:
        self.id = id
        self.enter_started = enter_started
        self.parent = parent
        self.task = task
        self.manager = manager
        self.resource = resource
        self.site = site
        self.context = context
        """The context in which it was entered."""

    @property
    def entered(self) -> bool:
        """Whether the enter succeeded."""
        return self.enter_outcome == Outcome.OK

    @property
    def has_errors(self) -> bool:
        """Whether any phase ended in an error or a cancellation."""
        return not (self.enter_error is self.body_error is self.exit_error is None)

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the lifecycle span that are known when it starts."""
        return lifecycle_attributes(
            self.id,
            self.manager,
            (self.resource.id, self.resource),
            self.site,
            (self.task.id, self.task),
            None if self.site is None else self.site.caller,
            self.by_call,
        )

    @property
    def outcome(self) -> int:
        """The outcome of the whole: that of the last phase that did not end well."""
        if not self.entered:
            return self.enter_outcome
        if self.exit_error is not None or self.suppressed:
            return self.exit_outcome
        return self.body_outcome

    @property
    def failure(self) -> ErrorInfo | None:
        """The error that left the ``async with``; ``None`` for a cancellation."""
        if self.exit_error is not None:
            error, outcome = self.exit_error, self.exit_outcome
        elif self.enter_error is not None:
            error, outcome = self.enter_error, self.enter_outcome
        elif self.body_error is not None and not self.suppressed:
            error, outcome = self.body_error, self.body_outcome
        else:
            return None
        return error if outcome != Outcome.CANCELLED else None

    def describe_error(self, error: BaseException, outcome: int) -> ErrorInfo:
        """Describe what ended a phase, with a traceback unless an inner phase has recorded it.

        The exception is not kept, so it counts as the same one if it has the same class, message
        and address while both phases end.
        """
        key = key_of(error)
        seen = self.last_error == key
        self.last_error = key
        if self.parent is not None:
            self.parent.last_error = key
        recorded = not (
            seen
            or outcome == Outcome.CANCELLED
            or (self.body is not None and self.body.has_recorded(error))
        )
        return describe(error, key, recorded)

    def release(self) -> None:
        """Drop references to other acquisitions; called by the worker at the very end.

        A task that enters the next one in each body, and so on without end, would keep them all.
        """
        if self.body is not None and self.exit_task is None:
            self.body.before = None
        self.parent = self.body = None
        self.context = _EMPTY
