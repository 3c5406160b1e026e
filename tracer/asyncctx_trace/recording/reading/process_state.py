"""What a reader knows of a process that writes to a recording."""

from __future__ import annotations

from dataclasses import dataclass, field

from asyncctx_trace.model.constants import PROCESS_SHIFT
from asyncctx_trace.model.events import ErrorText

__all__ = ["ProcessState", "process_base"]


def process_base(number: int) -> int:
    """Return what is added to the ids of the recording's process ``number``, from 0."""
    return number << PROCESS_SHIFT


@dataclass(slots=True)
class ProcessState:
    """A process, the names that its records refer to, and what it has lost so far."""

    base: int
    """Added to each of its ids, which makes them unique within the recording."""
    pid: int
    managers: dict[int, str] = field(default_factory=dict)
    errors: dict[int, ErrorText] = field(default_factory=dict)
    ended: bool = False
    recycled: int = 0
    """Acquisitions whose segments have been recycled, so far."""
    recycled_lines: int = 0
    inherited: int = 0
    """Acquisitions that it has given up of processes that had ended, so far."""
    inherited_lines: int = 0
    seen_at: int = 0
    """When the launcher last saw the program run."""
    lost: int = 0
    """Acquisitions that were not recorded, so far."""
    stop_reason: str = ""
    """Why it has stopped recording."""
    losses_reported: bool = False
    """Whether a batch has reported that events are missing."""

    def id(self, local: int) -> int:
        """Return the id in the recording of an id in the process."""
        return self.base + local

    def id_or_none(self, local: int) -> int | None:
        """Return the same, or ``None`` for 0."""
        return self.base + local if local else None
