"""The parts of the overview, as values that any screen, report or page can draw."""

from __future__ import annotations

from dataclasses import dataclass

from asyncctx_trace.analysis.findings import Severity

__all__ = ["BUCKETS", "Health", "Item", "Overview"]

BUCKETS = 60
"""The number of slices of time in a :attr:`Item.history`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to look at: what happened, what it cost, what to do next, and where it is."""

    kind: str
    """``hold``, ``wait`` or ``resource``; or a kind of finding."""
    severity: Severity
    certain: bool = True
    title: str
    """What it is about, in a few words."""
    sentence: str
    """What happened and where, without a full stop at its end."""
    in_opening: bool = False
    """Whether the verdict says it already."""
    cost: int = 0
    """The time that tasks lost by it, in ns; 0 if unknown."""
    history: tuple[float, ...] = ()
    """:data:`BUCKETS` values from the start to the end; empty if there is nothing to draw."""
    history_of: str = ""
    """What the history counts: ``waiting``, ``holding``, ``blocked`` or ``found``."""
    at: int
    """When it was worst (monotonic ns)."""
    remedy: str = ""
    """What to do next, in one sentence."""
    row: int | None = None
    """The acquisition to show."""
    stall: int | None = None
    """The id of the stall to show."""
    resource: int | None = None
    site: int | None = None
    """The line to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the program is, in numbers."""

    tasks: int
    processes: int
    acquisitions: int
    waits: int
    """Waits for other things than managers."""
    waiting: int
    """Enters that have not ended."""
    errors: int
    """Errors that do not follow from another one."""
    timeouts: int
    cancellations: int
    stalls: int | None
    """How often an event loop stood still; ``None`` if that was not recorded."""
    stalled: int
    """For how long in all, in ns."""
    longest_stall: int
    """In ns."""
    lost: tuple[str, ...]
    """What is missing from the recording, and why; empty if it is complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The answer to "what is wrong here?"."""

    opening: tuple[str, ...]
    """The verdict, in one or two sentences."""
    clean: bool
    """Whether the verdict is that there is nothing wrong."""
    running: bool
    """Whether the program still ran."""
    hanging: tuple[Item, ...]
    """While the program runs: deadlocks, and the longest waits of that moment."""
    culprits: tuple[Item, ...]
    """What cost most time, the worst first: a few."""
    more: int
    """The number of further culprits."""
    busiest: tuple[Item, ...]
    """The resources that were held most."""
    health: Health
    start: int
    """When the histories begin (monotonic ns)."""
    end: int
    """When they end."""

    @property
    def items(self) -> tuple[Item, ...]:
        """All items, in the order in which they are shown."""
        return (*self.hanging, *self.culprits, *self.busiest)
