"""One acquisition as a value."""

from __future__ import annotations

from dataclasses import dataclass

from asyncctx_trace.analysis.timeline.phases import NOT_YET, Phase, phase_at
from asyncctx_trace.model.events import NO_FLAGS, ErrorText, Outcome
from asyncctx_trace.model.outcomes import ExitFlag

__all__ = ["Acquisition"]


@dataclass(frozen=True, slots=True)
class Acquisition:
    """One pass of one task through one manager, up to its last recorded event.

    Times are monotonic ns; ``None`` if the event has not happened.
    """

    row: int
    """The index in the timeline's columns, which are in order of the first event."""
    id: int
    parent: int | None
    task: int
    resource: int
    site: int
    manager: str
    depth: int
    """The number of acquisitions of the same task below it on the stack."""
    enter_started: int
    enter_ended: int | None
    exit_started: int | None
    exit_ended: int | None
    exit_task: int
    """The task that cleaned up: the same as ``task`` except for foreign exits."""
    enter_outcome: Outcome | None
    body_outcome: Outcome | None
    exit_outcome: Outcome | None
    suppressed: bool
    enter_error: ErrorText | None
    body_error: ErrorText | None
    exit_error: ErrorText | None
    by_call: bool = False
    """Whether it was acquired by a call such as ``acquire()`` instead of ``async with``."""
    exit_site: int | None = None
    """The call that started the exit, unless that is the end of the ``async with``."""
    exit_flags: ExitFlag = NO_FLAGS
    """Further properties of the exit, set when it has ended."""
    collected: int | None = None
    """When the garbage collector took the object that it holds, while it was open."""

    @property
    def entered(self) -> bool:
        """Whether the enter succeeded."""
        return self.enter_outcome is Outcome.OK

    @property
    def ended(self) -> int | None:
        """The time of its last event: the end of the exit, or of an enter that failed."""
        if self.enter_ended is not None and not self.entered:
            return self.enter_ended
        return self.exit_ended

    def phase_at(self, at: int) -> Phase | None:
        """Return the phase at time ``at``; ``None`` before the start and after the end."""
        enter_ended, exit_started, exit_ended = (
            NOT_YET if time is None else time
            for time in (self.enter_ended, self.exit_started, self.exit_ended)
        )
        times = self.enter_started, enter_ended, exit_started, exit_ended
        return phase_at(times, self.entered, at)

    def span_of(self, phase: Phase, now: int) -> tuple[int, int] | None:
        """Return start and end of a phase that has started; an open one ends at ``now``."""
        start: int | None
        end: int | None
        match phase:
            case "enter":
                start, end = self.enter_started, self.enter_ended
            case "body":
                start, end = self.enter_ended if self.entered else None, self.exit_started
            case "exit":
                start, end = self.exit_started, self.exit_ended
        if start is None:
            return None
        return start, max(start, now) if end is None else end
