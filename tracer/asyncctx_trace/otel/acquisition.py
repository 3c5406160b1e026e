"""One acquisition on its way to becoming spans."""

from __future__ import annotations

from dataclasses import dataclass
from traceback import TracebackException
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, TraceFlags, TraceState

from asyncctx_trace.model.constants import HIDDEN_FILE
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.spans.attributes import of_lifecycle

if TYPE_CHECKING:
    from asyncctx_trace.otel.body import BodySpan

DEFAULT = TraceFlags.get_default()

__all__ = [
    "ErrorWords",
    "LiveAcquisition",
    "ResourceWords",
    "SiteWords",
    "TaskWords",
    "read_error",
]


@dataclass(slots=True, eq=False)
class ResourceWords:
    """What a resource was defined as."""

    id: int
    kind: str
    name: str
    capacity: int | None
    limit: int | None
    """How many holders keep others out; ``None`` where everybody may come in."""


@dataclass(slots=True, eq=False)
class TaskWords:
    """What a task was defined as."""

    id: int
    name: str
    runtime: str
    thread: str


@dataclass(slots=True, eq=False)
class SiteWords:
    """What a site was defined as."""

    file: str
    line: int
    function: str
    text: str
    caller: SiteWords | None = None


@dataclass(slots=True, frozen=True)
class ErrorWords:
    """An exception that ended a phase, without the exception."""

    type: str
    message: str
    recorded: bool
    """Whether it is this phase that records it: it is an error, and no inner phase has."""
    traceback: TracebackException | None = None
    """``None`` where it could not be read, or is of no use."""


class LiveAcquisition:
    """What is known of an acquisition so far; times are monotonic ns.

    Only what differs from the defaults on the class is set: it is made on the program's task.
    """

    enter_ended = 0
    exit_started = 0
    exit_ended = 0
    enter_outcome = 0
    body_outcome = 0
    exit_outcome = 0
    suppressed = False
    exit_task: TaskWords | None = None
    exit_site: SiteWords | None = None
    """The call that began the exit, where that is not the end of the ``async with``."""
    exit_flags = 0
    enter_error: ErrorWords | None = None
    body_error: ErrorWords | None = None
    exit_error: ErrorWords | None = None
    recorded: tuple[int, type, str] | None = None
    """The exception that this acquisition, or one inside it, recorded last."""

    by_call = False
    """Whether a method such as ``acquire()`` was called."""
    silent = False
    """Whether its parent's not being sampled settles that it is not."""
    decided = False
    """Whether the sampler has been asked; what follows stands from then on."""
    sampled: Any = None
    """What it said; ``None`` where there are no spans to be."""
    adorned = False
    """Whether it changed the attributes."""
    above: SpanContext | None = None
    """The parent of the lifecycle span."""
    trace_id = 0
    trace_flags = DEFAULT
    trace_state: TraceState | None = None
    whole: SpanContext | None = None
    """Of the lifecycle span, where there is to be one."""
    links: tuple[Link, ...] = ()
    lifecycle: Span | None = None
    """The provider's own, once there is one."""
    body: BodySpan | None = None
    body_context: SpanContext | None = None

    seen = 0
    """How many of its facts the worker has taken."""
    measured = False
    """Whether it was counted among the waiters."""
    waiters_before: int | None = None
    blockers: tuple[LiveAcquisition, ...] = ()
    blocker_count = 0

    def __init__(
        self,
        id: int,
        enter_started: int,
        parent: LiveAcquisition | None,
        task: TaskWords,
        manager: str,
        resource: ResourceWords,
        site: SiteWords | None,
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
        """Whether it got in."""
        return self.enter_outcome == Outcome.OK

    @property
    def erred(self) -> bool:
        """Whether any of its phases ended in an error or a cancellation."""
        return not (self.enter_error is self.body_error is self.exit_error is None)

    @property
    def attributes(self) -> dict[str, Any]:
        """What is known when it begins."""
        return of_lifecycle(
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
        """How it ended as a whole: the last phase that says anything bad speaks for all."""
        if not self.entered:
            return self.enter_outcome
        if self.exit_error is not None or self.suppressed:
            return self.exit_outcome
        return self.body_outcome

    @property
    def failed(self) -> ErrorWords | None:
        """The error that left the ``async with``; a cancellation is none."""
        if self.exit_error is not None:
            error, outcome = self.exit_error, self.exit_outcome
        elif self.enter_error is not None:
            error, outcome = self.enter_error, self.enter_outcome
        elif self.body_error is not None and not self.suppressed:
            error, outcome = self.body_error, self.body_outcome
        else:
            return None
        return error if outcome != Outcome.CANCELLED else None


def read_error(live: LiveAcquisition, error: BaseException, outcome: int) -> ErrorWords:
    """``error`` in words; its traceback, unless this or an inner acquisition recorded it.

    An exception has no identity that would outlive it: it counts as the same if it is of the
    same class, says the same and lies at the same address while both phases end.
    """
    cls = type(error)
    try:
        message = str(error)
    except Exception:  # the program's own __str__ is broken
        message = "(its message cannot be shown)"
    name = f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")
    mark = (id(error), cls, message)
    known = live.recorded == mark
    live.recorded = mark
    if live.parent is not None:
        live.parent.recorded = mark
    if known or outcome == Outcome.CANCELLED or (live.body and live.body.recorded(error)):
        return ErrorWords(name, message, False)
    # The frames of ours that it passes at this moment have no lines, and no place in it.
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == HIDDEN_FILE:
        trace = trace.tb_next
    try:
        # Source lines are looked up when it is formatted, off the task.
        words = TracebackException(cls, error, trace, lookup_lines=False)
    except Exception:  # frames of who knows what code generator
        words = None
    return ErrorWords(name, message, True, words)
