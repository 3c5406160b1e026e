"""The facts of an async program's life: what every other room reads and nobody changes.

An acquisition publishes at most four facts, in order::

    EnterStarted ──▶ EnterEnded ──▶ ExitStarted ──▶ ExitEnded
      (waiting)       (holding)      (cleaning up)

Times are readings of the monotonic clock in ns (``time.monotonic_ns``). Ids are positive
integers, unique within one recording; ``None`` stands for "there is none".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from asyncctx_trace.model.outcomes import ExitFlag, Outcome

__all__ = [
    "Collected",
    "Definition",
    "Dropped",
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
    "TaskEnded",
]


NO_FLAGS = ExitFlag(0)


@dataclass(frozen=True, slots=True)
class ErrorText:
    """An exception in words: what is left of it once the program has let go of it."""

    type: str
    """Qualified name of its class, such as ``asyncio.exceptions.CancelledError``."""
    message: str


@dataclass(frozen=True, slots=True)
class EnterStarted:
    """A task asks for a resource: its wait begins."""

    at: int
    acquisition: int
    parent: int | None
    """The acquisition that was innermost in this task when it asked."""
    task: int
    manager: str
    """Qualified name of the manager's class."""
    resource: int
    site: int
    by_call: bool = False
    """Whether it asked by calling a method such as ``acquire()``, and not by ``async with``: then
    any task may call the method that releases."""


@dataclass(frozen=True, slots=True)
class EnterEnded:
    """The wait is over: with outcome ``OK`` the body begins."""

    at: int
    acquisition: int
    outcome: Outcome
    error: ErrorText | None


@dataclass(frozen=True, slots=True)
class ExitStarted:
    """The body is over and the cleanup begins, in the task that does it."""

    at: int
    acquisition: int
    task: int
    outcome: Outcome
    """How the body ended."""
    error: ErrorText | None
    site: int | None = None
    """The call that began the exit: ``release()``, ``aclose()``; ``None`` where the exit is the end
    of the ``async with`` itself."""


@dataclass(frozen=True, slots=True)
class ExitEnded:
    """The cleanup is over: the resource is free again."""

    at: int
    acquisition: int
    outcome: Outcome
    suppressed: bool
    """Whether the exit swallowed the error of the body."""
    error: ErrorText | None
    flags: ExitFlag = NO_FLAGS
    """What else is known of it."""


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """A task was found gone: finished and let go of, at this time at the latest."""

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
class ProcessDefined:
    """A process takes part; times of all processes on one machine share one clock."""

    at: int
    process: int
    pid: int
    parent_pid: int
    title: str
    """Its command line, as the user would type it."""


@dataclass(frozen=True, slots=True)
class TaskDefined:
    """A task takes part, first seen at its first acquisition."""

    at: int
    task: int
    name: str
    runtime: str
    """``asyncio``, ``trio``, or ``none`` for code driven outside any task."""
    parent: int | None
    """The task that created it, where that one was known by then."""
    process: int
    thread: str


@dataclass(frozen=True, slots=True)
class ResourceDefined:
    """Something tasks contend for; many managers may stand for it."""

    resource: int
    kind: str
    """``lock``, ``semaphore``, ``condition``, ``pool``, ``timeout``, … or ``manager``."""
    name: str
    capacity: int | None
    """How many may hold it at once, where known."""


@dataclass(frozen=True, slots=True)
class SiteDefined:
    """A place in the program's source where something is acquired or released."""

    site: int
    file: str
    line: int
    function: str
    text: str
    """The source of the context expression, ``""`` where it is not known."""
    caller: int | None = None
    """The site at which the program called the function that this one stands in, where known.

    One line has a site for each of its callers."""


@dataclass(frozen=True, slots=True)
class Printed:
    """The program printed a line."""

    at: int
    stream: str
    """``stdout`` or ``stderr``."""
    text: str


@dataclass(frozen=True, slots=True)
class Marked:
    """Somebody put a mark on the timeline."""

    at: int
    text: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """Facts that could not be kept: counted, so that nobody takes the rest for the whole."""

    at: int
    acquisitions: int
    reason: str
    process: int | None = None
    """The process whose facts they are, where known."""
    later: bool = False
    """Whether facts after ``at`` are missing; otherwise it is those before."""
    stops: bool = False
    """Whether the process recorded nothing any more after ``at``."""


@dataclass(frozen=True, slots=True)
class ProcessEnded:
    """A process said goodbye; one that was killed never does."""

    at: int
    pid: int
    exit_code: int | None
    """As the parent saw it (a signal as ``-n``); ``None`` where the process itself speaks."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Somebody began to end a process: the time is before anything that followed from it."""

    at: int
    pid: int
    """The process that was to end."""
    reason: str
    """The name of the signal, such as ``SIGINT``, or ``KeyboardInterrupt``."""
    late: bool = False
    """Whether another process noted it, which got the signal at the same time: the process may have
    begun to end a little earlier."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The launcher saw the program run at this time."""

    at: int


RecordedEvent: TypeAlias = (
    EnterStarted | EnterEnded | ExitStarted | ExitEnded | TaskEnded | ReleaseUnmatched | Collected
)
Definition: TypeAlias = ProcessDefined | TaskDefined | ResourceDefined | SiteDefined
Note: TypeAlias = Printed | Marked | Dropped | Heartbeat | Interrupted | ProcessEnded
Event: TypeAlias = RecordedEvent | Definition | Note
