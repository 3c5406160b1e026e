"""Events of a traced program, the source from which everything else is derived.

An acquisition has at most four events, in this order::

    EnterStarted ──▶ EnterEnded ──▶ ExitStarted ──▶ ExitEnded
      (waiting)       (holding)      (cleaning up)

Times are readings of the monotonic clock in ns (``time.monotonic_ns``). Ids are positive
integers, unique within one recording; ``None`` means that there is none. The fields of events that
become records are those of :mod:`asyncctx_trace.model.event_schema`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from asyncctx_trace.model.outcomes import ExitFlag, Outcome
from asyncctx_trace.model.waits import WaitKind

__all__ = [
    "Collected",
    "Definition",
    "Dropped",
    "Dumped",
    "EnterEnded",
    "EnterStarted",
    "ErrorText",
    "Event",
    "ExitEnded",
    "ExitStarted",
    "Heartbeat",
    "Interrupted",
    "Marked",
    "Note",
    "Outcome",
    "Printed",
    "ProcessDefined",
    "ProcessEnded",
    "RecordedEvent",
    "ReleaseUnmatched",
    "ResourceDefined",
    "SiteDefined",
    "TaskDefined",
    "StallEnded",
    "StallStarted",
    "TaskEnded",
    "WaitEnded",
    "WaitStarted",
    "WaitTarget",
    "Quiescent",
]


NO_FLAGS = ExitFlag(0)


@dataclass(frozen=True, slots=True)
class ErrorText:
    """The class and the message of an exception, which itself is not kept alive."""

    type: str
    """Qualified name of its class, such as ``asyncio.exceptions.CancelledError``."""
    message: str


@dataclass(frozen=True, slots=True)
class EnterStarted:
    """A task asks for a resource; its wait begins."""

    at: int
    acquisition: int
    parent: int | None
    """The innermost acquisition that was open in the task."""
    task: int
    manager: str
    """Qualified name of the manager's class."""
    resource: int
    site: int
    by_call: bool = False
    """Whether the task called a method such as ``acquire()`` instead of using ``async with``, so
    that any task may release."""


@dataclass(frozen=True, slots=True)
class EnterEnded:
    """The wait has ended; with outcome ``OK`` the body begins."""

    at: int
    acquisition: int
    outcome: Outcome
    error: ErrorText | None


@dataclass(frozen=True, slots=True)
class ExitStarted:
    """The body has ended and the cleanup begins, in ``task``."""

    at: int
    acquisition: int
    task: int
    outcome: Outcome
    """How the body ended."""
    error: ErrorText | None
    site: int | None = None
    """The call of ``release()``, ``aclose()`` or the like; ``None`` if the exit is the end of the
    ``async with``."""


@dataclass(frozen=True, slots=True)
class ExitEnded:
    """The cleanup has ended and the resource is free."""

    at: int
    acquisition: int
    outcome: Outcome
    suppressed: bool
    """Whether the exit suppressed the exception of the body."""
    error: ErrorText | None
    flags: ExitFlag = NO_FLAGS
    """Further properties of the exit."""


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """A task object was found to be gone; the task ended at this time or before."""

    at: int
    task: int


@dataclass(frozen=True, slots=True)
class ReleaseUnmatched:
    """A task released a resource of which no recorded acquisition was open."""

    at: int
    task: int
    resource: int
    site: int | None
    """The call of ``release()``."""


@dataclass(frozen=True, slots=True)
class Collected:
    """The garbage collector took the object that an open acquisition holds."""

    at: int
    acquisition: int


@dataclass(frozen=True, slots=True)
class WaitStarted:
    """A task suspends on something else than a manager."""

    at: int
    wait: int
    """An id that no acquisition has."""
    task: int
    subject: int | None
    """The task or resource that it waits for, as the kind says, where that is known."""
    site: int
    wait_kind: WaitKind


@dataclass(frozen=True, slots=True)
class WaitTarget:
    """A wait for several tasks is for the end of this one, too."""

    at: int
    wait: int
    task: int


@dataclass(frozen=True, slots=True)
class WaitEnded:
    """A waiting task can go on."""

    at: int
    wait: int
    outcome: Outcome
    woken_by: int | None
    """The task that ended the wait; ``None`` for a callback, a timer, I/O or a thread."""


@dataclass(frozen=True, slots=True)
class ProcessDefined:
    """A process joined the recording; all processes of a machine share one monotonic clock."""

    at: int
    process: int
    pid: int
    parent_pid: int
    title: str
    """Its command line."""


@dataclass(frozen=True, slots=True)
class TaskDefined:
    """A task, defined at its first acquisition."""

    at: int
    task: int
    name: str
    runtime: str
    """``asyncio``, ``trio``, or ``none`` for code that runs outside of any task."""
    parent: int | None
    """The task that created it, if that was defined by then."""
    process: int
    thread: str
    coroutine: str = ""
    """The qualified name of its coroutine; empty if unknown."""


@dataclass(frozen=True, slots=True)
class ResourceDefined:
    """What tasks contend for; many managers may stand for one resource."""

    resource: int
    kind: str
    """``lock``, ``semaphore``, ``condition``, ``pool``, ``timeout``, … or ``manager``."""
    name: str
    capacity: int | None
    """How many tasks may hold it at once, if known."""


@dataclass(frozen=True, slots=True)
class SiteDefined:
    """A statement in the program's source that acquires or releases."""

    site: int
    file: str
    line: int
    function: str
    text: str
    """The source of the context expression, or ``""`` if unknown."""
    caller: int | None = None
    """The site at which the program called the function that contains this one, if known.

    A line has a separate site for each caller."""
    digest: str = ""
    """Identifies the content of the file when it was recorded; ``""`` if unknown."""


@dataclass(frozen=True, slots=True)
class Printed:
    """The program printed a line."""

    at: int
    stream: str
    """``stdout`` or ``stderr``."""
    text: str


@dataclass(frozen=True, slots=True)
class Marked:
    """A mark that the user put on the timeline."""

    at: int
    text: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """Events that are missing: the recording is incomplete."""

    at: int
    acquisitions: int
    reason: str
    process: int | None = None
    """The process whose events they are, if known."""
    later: bool = False
    """Whether events after ``at`` are missing, rather than before."""
    stops: bool = False
    """Whether the process stopped recording at ``at``."""
    lines: int = 0
    """The number of lines that the program printed and that are missing."""


@dataclass(frozen=True, slots=True)
class ProcessEnded:
    """A process has ended. One that is killed cannot write this itself."""

    at: int
    pid: int
    exit_code: int | None
    """As its parent saw it, ``-n`` for a signal; ``None`` if the process itself wrote this."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A process was asked to end; ``at`` is before any event that follows from it."""

    at: int
    pid: int
    """The process that is to end."""
    reason: str
    """The name of the signal, such as ``SIGINT``, or ``KeyboardInterrupt``."""
    late: bool = False
    """Whether another process wrote this, which got the signal at the same time; then the process
    may have begun to end a little earlier."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The launcher saw that the program was running."""

    at: int


RecordedEvent: TypeAlias = (
    EnterStarted
    | EnterEnded
    | ExitStarted
    | ExitEnded
    | TaskEnded
    | ReleaseUnmatched
    | Collected
    | WaitStarted
    | WaitTarget
    | WaitEnded
)
Definition: TypeAlias = ProcessDefined | TaskDefined | ResourceDefined | SiteDefined


@dataclass(frozen=True, slots=True)
class StallStarted:
    """An event loop could not go on, because a callback had run for a tenth of a second."""

    at: int
    """When that was noticed."""
    since: int
    """When the callback was seen first."""
    stall: int
    task: int | None
    """The task that ran, if it was one."""
    site: int | None
    """The innermost line of the program on the stack."""
    stack: tuple[tuple[str, int, str], ...]
    """File, line and function of each frame, the innermost first."""


@dataclass(frozen=True, slots=True)
class StallEnded:
    """The event loop could go on."""

    at: int
    stall: int
    collections: int
    """How many full garbage collections ran meanwhile."""
    delayed: int = 0
    """How long its thread waited for a processor meanwhile, in ns, where the system says so."""


@dataclass(frozen=True, slots=True)
class Quiescent:
    """A sleeping event loop can be woken by nothing in its process any more.

    Nothing was ready or scheduled, no file descriptor was watched, no signal had a handler of the
    program's, and there was no other thread at work. Any later event of the process refutes it.
    """

    at: int
    since: int
    """When the loop began to sleep, as far as that was seen."""
    process: int


@dataclass(frozen=True, slots=True)
class Dumped:
    """The recording is a dump: a copy of a period of another one, after which nothing is known."""

    at: int
    """The end of the period."""
    since: int
    """The start of the period; what was alive then is included whole."""
    triggered: int
    """When the reason for it was noticed."""
    trigger: str
    """The condition, such as ``wait>2s``, the name of a signal, or ``call``."""
    reason: str
    """What fulfilled the condition, or what the program said."""
    pid: int
    """The process that wrote it."""
    suppressed: int
    """How many triggers of the process had led to no dump by then, since others had just done."""


Note: TypeAlias = (
    Printed
    | Dumped
    | Marked
    | Dropped
    | Heartbeat
    | Interrupted
    | ProcessEnded
    | StallStarted
    | StallEnded
    | Quiescent
)
Event: TypeAlias = RecordedEvent | Definition | Note
