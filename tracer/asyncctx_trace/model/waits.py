"""What a task may wait for besides managers."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["OF_TASKS", "WaitKind"]


class WaitKind(IntEnum):
    """What a suspended task waits for; the names are what reports and exports show."""

    FUTURE = 1
    """A future of which nothing else is known."""
    TASK = 2
    """The end of another task."""
    TASKS = 3
    """The end of all of several tasks: ``gather``, ``wait``, a task group's exit."""
    FIRST_TASK = 4
    """The end of one of several tasks: ``wait(return_when=FIRST_COMPLETED)``, ``as_completed``."""
    QUEUE_GET = 5
    QUEUE_PUT = 6
    QUEUE_JOIN = 7
    EVENT = 8
    CONDITION = 9
    BARRIER = 10
    LOCK = 11
    """A lock or semaphore that a library acquires for itself."""
    RECEIVE = 12
    """An item from a memory channel or stream."""
    SEND = 13
    """Room in a memory channel or stream."""
    THREAD = 14
    """A function that runs in another thread: ``to_thread``, ``run_in_executor``."""
    IO = 15
    """A socket, a stream, a subprocess."""
    SLEEP = 16
    TIMED_TASKS = 17
    """The end of one or several tasks, or a point in time: ``wait(timeout=1)``, ``wait_for``."""

    @property
    def label(self) -> str:
        """Such as ``queue get``."""
        return self.name.lower().replace("_", " ")


OF_TASKS = frozenset({WaitKind.TASK, WaitKind.TASKS, WaitKind.FIRST_TASK, WaitKind.TIMED_TASKS})
"""The kinds of waits for the end of tasks."""
