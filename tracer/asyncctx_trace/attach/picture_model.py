"""What a picture of a program consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncctx_trace.model.waits import WaitKind

__all__ = ["Hold", "Line", "Resource", "Wait", "Worker"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of source."""

    file: str
    line: int
    function: str
    text: str = ""
    """The expression that acquires, or the line."""

    @property
    def short(self) -> str:
        """Such as ``app.py:12``."""
        return f"{Path(self.file).name}:{self.line}"


@dataclass(slots=True)
class Resource:
    """What tasks contend for."""

    key: int
    """Its address in the program."""
    kind: str
    type: str
    """Qualified name of its class."""
    capacity: int | None
    name: str
    values: dict[str, Any] = field(default_factory=dict)
    """Its attributes that are numbers, such as ``_value`` of a semaphore."""
    queue: int = 0
    """How many wait in its queues."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A task is in the body of a manager, enters or leaves it."""

    worker: int
    resource: int
    key: int
    """The address of the manager."""
    manager: str
    line: Line
    phase: str
    """``body`` or ``exit``."""
    exact: bool = True
    """Whether the manager itself is what is contended for."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A task or thread waits."""

    worker: int
    kind: WaitKind | None
    """``None``: it enters a resource."""
    resource: int | None
    targets: tuple[int, ...]
    """The tasks or threads that it waits for."""
    line: Line
    method: str
    blocking: bool = False
    """Whether its whole thread waits."""
    manager: int = 0
    """The address of the manager that is entered, 0 if a method such as ``acquire`` is called."""
    limit: float | None = None
    """After how many seconds it gives up, if that is known."""


@dataclass(slots=True)
class Worker:
    """A task, or a thread that runs none."""

    key: int
    name: str
    coroutine: str
    runtime: str
    thread: str
    state: str
    """``running``, ``ready`` or ``waiting``."""
    chain: list[Line]
    """Its await chain, outermost first."""
    parent: int = 0
    quiescent: bool = False
    """Whether nothing can wake its event loop."""
