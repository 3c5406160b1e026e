"""Tasks that acquire, release and clean up in any order that a recorder could write."""

from __future__ import annotations

from typing import TypeAlias

from hypothesis import strategies as st

from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace.recording.writing.writer import Recorder

__all__ = ["MOVES", "Move", "RandomTasks"]

Move: TypeAlias = tuple[int, str, int]
"""A task, what it does, and to which of its acquisitions, counted from the innermost."""

MOVES = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from(
            [
                "ask",
                "enter",
                "fail to enter",
                "start exit",
                "start exit by call",
                "exit",
                "fail to exit",
                "poll",
                "end",
                "print",
                "release unmatched",
                "collect",
                "await",
                "await tasks",
                "wake",
                "stall",
            ]
        ),
        st.integers(0, 5),
    ),
    max_size=120,
)
"""Random moves; "poll" is for whoever reads the recording meanwhile."""


class RandomTasks:
    """Writes the events of random moves; those of one acquisition are always in order."""

    def __init__(self, writer: Recorder) -> None:
        self.writer = writer
        self.now = 0
        self._asked = 0
        self._states: dict[int, dict[int, str]] = {}
        """Task -> its open acquisitions -> ``waits``, ``holds`` or ``exits``."""
        self._awaits: dict[int, int] = {}
        """Task -> its open wait for something else."""

    def move(self, task: int, what: str, which: int) -> None:
        """Do ``what`` if the state of ``task`` allows it."""
        self.now += 3
        writer, at = self.writer, self.now
        states = self._states.setdefault(task, {})
        if what == "ask":
            self._asked += 1
            states[self._asked] = "waits"
            parent = next(iter(states)) - 1
            writer.enter_started(at, self._asked, parent, task, 1, task % 2 + 1, 1, which % 2)
        elif what == "end":
            writer.task_ended(at, task)
        elif what == "release unmatched":
            writer.release_unmatched(at, task, 1, which)
        elif what == "collect" and self._asked:
            writer.collected(at, self._asked)
        elif what in ("await", "await tasks"):
            self._await(at, task, what, which)
        elif what == "wake":
            if task in self._awaits:
                writer.wait_ended(at, self._awaits.pop(task), Outcome.OK, which % 5)
        elif what == "stall":
            writer.stall_started(at - 2, at, at, task, 1 + which, [("app.py", 1, "main")])
            if which:
                writer.stall_ended(at + 4, at, which % 2, 0)
        elif what == "print":
            writer.printed(at - 1, "stdout", "hello")
        elif states:
            self._advance(at, task, what, which)

    def _await(self, at: int, task: int, what: str, which: int) -> None:
        writer = self.writer
        if task in self._awaits:
            writer.wait_ended(at, self._awaits.pop(task), Outcome.CANCELLED, 0)
        self._asked += 1
        self._awaits[task] = self._asked
        kind = WaitKind.QUEUE_GET if what == "await" else WaitKind.TASKS
        about = 1 + which % 2 if what == "await" else 0
        writer.wait_started(at, self._asked, task, about, 1 + which, kind)
        if what == "await tasks":
            for target in (1 + task % 4, 1 + which % 4):
                writer.wait_target(at, self._asked, target)

    def _advance(self, at: int, task: int, what: str, which: int) -> None:
        writer, states = self.writer, self._states[task]
        one = list(states)[-1 - which % len(states)]
        match what, states[one]:
            case "enter", "waits":
                states[one] = "holds"
                writer.enter_ended(at, one, Outcome.OK, None)
            case "fail to enter", "waits":
                del states[one]
                writer.enter_ended(at, one, Outcome.CANCELLED, KeyError("gone"))
            case "start exit", "holds":
                states[one] = "exits"
                writer.exit_started(at, one, 1 + which, Outcome.ERROR, ValueError("body"))
            case "start exit by call", "holds":
                states[one] = "exits"
                writer.exit_started(at, one, task, Outcome.OK, None, 1 + which)
            case "exit", "exits":
                del states[one]
                writer.exit_ended(at, one, Outcome.OK, True, None, which % 4)
            case "fail to exit", "exits":
                del states[one]
                writer.exit_ended(at, one, Outcome.TIMED_OUT, False, TimeoutError())
