"""What is known of an acquisition whose spans are not made yet."""

from __future__ import annotations

from dataclasses import dataclass, field

from asyncctx_trace.model import conventions as names
from asyncctx_trace.model.events import EnterEnded, EnterStarted, ErrorText, ExitStarted, Outcome
from asyncctx_trace.spans.span import Link
from asyncctx_trace.spans.trace_tree import Trace

__all__ = ["OpenAcquisition"]


@dataclass(slots=True, eq=False)
class OpenAcquisition:
    """An acquisition that has not ended."""

    started: EnterStarted
    outer: OpenAcquisition | None
    """The innermost acquisition of its task that was open; ``None`` after its own end."""
    parent: int
    """Span id of the body, or of the task, in which it began."""
    trace: Trace
    links: list[Link]
    waiters_before: int | None = None
    enter_ended: EnterEnded | None = None
    exit_started: ExitStarted | None = None
    collected: int | None = None
    blockers: tuple[tuple[int, int], ...] = ()
    """Acquisition and trace of each holder that blocked it."""
    blocker_count: int = 0
    blocked: list[tuple[int, int]] = field(default_factory=list)
    """Acquisition and trace of the first waiters that it blocked."""
    let_in_by: tuple[int, str] | None = None
    """Acquisition and name of the task of the last of its blockers to leave before it entered."""
    began_in: str = ""
    """The phase of ``outer`` in which it began."""
    ended: bool = False
    inner_error: ErrorText | None = None
    """The error that left the last acquisition inside it."""

    @property
    def key(self) -> tuple[int, int]:
        """Its id and that of its trace."""
        return self.started.acquisition, self.trace.id

    @property
    def phase(self) -> str:
        """The name of the phase that is running now."""
        if self.enter_ended is None:
            return names.ENTER
        return names.BODY if self.in_body else names.EXIT

    @property
    def in_body(self) -> bool:
        """Whether its body is running now."""
        enter_ended = self.enter_ended
        return (
            enter_ended is not None
            and enter_ended.outcome is Outcome.OK
            and self.exit_started is None
        )
