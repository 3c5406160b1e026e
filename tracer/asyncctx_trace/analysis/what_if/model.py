"""The model of a recorded program: what each task does, in steps that can be replayed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, NamedTuple, TypeAlias

__all__ = ["Discipline", "Model", "Op", "Program", "Step"]

Discipline: TypeAlias = Literal["fifo", "lifo", "barging", "mixed"]
"""In which order waiters get in: the first that asked, the last, or neither.

``barging``: the first that asked is woken, but who asks before it runs may take the unit; then it
waits again behind all others. That is how an ``asyncio.Queue`` works, and pools that use one."""


class Op(IntEnum):
    """What a step does; ``value`` and ``extra`` are fields of :class:`Step`."""

    RUN = 0
    """Occupy the event loop for ``value`` ns; ``extra`` is the class of the duration."""
    PAUSE = 1
    """Be suspended for ``value`` ns, whatever others do; ``extra`` is as for ``RUN``."""
    ASK = 2
    """Ask for the resource ``value`` in row ``extra``, and wait until there is a unit of it."""
    ENTERED = 3
    """The enter of row ``value`` has ended."""
    RELEASE = 4
    """Give back the unit of the resource ``value`` that row ``extra`` holds."""
    TRY = 5
    """Wait for the resource ``value`` for ``extra`` ns at most, and do without it."""
    SIGNAL = 6
    """Resume the task that waits for signal ``value``."""
    AWAIT = 7
    """Wait for signal ``value``."""
    SPAWN = 8
    """Start the task ``value``."""
    JOIN = 9
    """Wait until task ``value`` has ended."""
    JOIN_ANY = 10
    """Wait until one of the tasks ``Model.groups[value]`` has ended."""
    PUT = 11
    """Put an item into queue ``value``; wait while it is full."""
    GET = 12
    """Take an item from queue ``value``; wait while it is empty. ``extra``: when that was."""
    WORK = 13
    """Take items from queue ``value``, and do what ``Model.work`` says for each, until all are
    done."""


class Step(NamedTuple):
    """One step of a task."""

    op: Op
    value: int = 0
    extra: int = 0


@dataclass(slots=True)
class Program:
    """What one task does."""

    task: int
    loop: int
    """The event loop (index of a thread) that runs it."""
    steps: list[Step] = field(default_factory=list)
    arrival: int | None = None
    """When it starts, in ns from the start of the recording; ``None`` if a task spawns it."""


@dataclass(slots=True)
class Model:
    """A recorded program that can be replayed; resources, rows and tasks have recorded ids."""

    programs: dict[int, Program]
    capacities: dict[int, int]
    """Limited resource -> how many may hold it."""
    disciplines: dict[int, Discipline]
    queue_sizes: dict[int, int]
    """Queue -> how many items fit in; 0 if there is no limit."""
    queue_items: dict[int, int]
    """Queue -> how many items it contains at first."""
    resource_of_row: dict[int, int]
    measured: dict[int, int]
    """Row that entered -> how long its enter took, in ns."""
    aliases: dict[int, int]
    """Resource whose enter waits for another one -> that one."""
    groups: list[tuple[int, ...]] = field(default_factory=list)
    """The tasks of each ``JOIN_ANY``."""
    hidden_queues: tuple[int, ...] = ()
    """Queues of which puts or gets that did not wait could not be reconstructed."""
    given_up: dict[int, int] = field(default_factory=dict)
    """Resource -> how many enters gave up."""
    excess: dict[int, int] = field(default_factory=dict)
    """Resource -> how many entered although no unit was free."""
    paced: bool = False
    """Whether work arrives with pauses that do not depend on what is done."""
    work: dict[int, list[list[Step]]] = field(default_factory=dict)
    """Queue -> the steps that its consumers do for each item, in the order of the items."""
    split: dict[int, int] = field(default_factory=dict)
    """Resource -> into how many parts it is split."""
