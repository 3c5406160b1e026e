"""What the app needs of the program that it shows."""

from __future__ import annotations

from typing import Protocol

__all__ = ["RunningProgram"]


class RunningProgram(Protocol):
    """The traced program, as far as the app needs it."""

    pid: int

    def exit_code(self) -> int | None:
        """Return the exit code, ``None`` while it runs; never waits."""

    def stop(self) -> int:
        """End the program, and return its exit code when no process is left."""

    @property
    def can_leave_running(self) -> bool:
        """Whether :meth:`leave_running` is supported here."""

    def leave_running(self) -> None:
        """Let the program run on, recorded, after this process has ended; raises OSError."""
