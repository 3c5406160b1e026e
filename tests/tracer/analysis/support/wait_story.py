"""Timelines of programs that also wait for other things than managers."""

from __future__ import annotations

from analysis.support.builders import MS, Story
from asyncctx_trace.model.events import (
    Outcome,
    StallEnded,
    StallStarted,
    WaitEnded,
    WaitStarted,
    WaitTarget,
)
from asyncctx_trace.model.waits import WaitKind

__all__ = ["WaitStory"]

_FIRST_WAIT = 1_000
"""Acquisitions and waits share their ids."""


class WaitStory(Story):
    """A program whose tasks wait for queues, events, each other."""

    def __init__(self) -> None:
        super().__init__()
        self._waits = _FIRST_WAIT
        self._stalls = 0

    def waits(
        self,
        at: float,
        task: str,
        kind: WaitKind,
        subject: str = "",
        line: int = 1,
        targets: tuple[str, ...] = (),
    ) -> int:
        """``task`` begins to wait for the resource ``subject``, or for ``targets``."""
        for name in (task, *targets):
            if name not in self._tasks:
                self.task(name)
        if subject and subject not in self._resources:
            self.resource(subject, kind.label.partition(" ")[0], None)
        number = self._resources[subject] if subject else 0
        if len(targets) == 1:
            number, targets = self._tasks[targets[0]], ()
        self._waits += 1
        start = _at(at)
        self.events.append(
            WaitStarted(start, self._waits, self._tasks[task], number, self.site(line), kind)
        )
        for target in targets:
            self.events.append(WaitTarget(start, self._waits, self._tasks[target]))
        return self._waits

    def goes_on(self, at: float, wait: int, by: str = "", outcome: Outcome = Outcome.OK) -> None:
        """The wait ends; ``by`` is the task that ended it."""
        waker = self._tasks[by] if by else None
        self.events.append(WaitEnded(_at(at), wait, outcome, waker))

    def pass_time(
        self, task: str, kind: WaitKind, start: float, end: float, subject: str = "", by: str = ""
    ) -> int:
        """A whole wait."""
        wait = self.waits(start, task, kind, subject)
        if by and by not in self._tasks:
            self.task(by)
        self.goes_on(end, wait, by)
        return wait

    def stall(
        self,
        since: float,
        until: float | None,
        task: str,
        line: int = 1,
        collections: int = 0,
        delayed: float = 0,
    ) -> None:
        """The loop stands still in ``task``; noticed after 100 ms."""
        if task not in self._tasks:
            self.task(task)
        self._stalls += 1
        stack = (("app.py", line, "main"),)
        self.events.append(
            StallStarted(
                _at(since + 100),
                _at(since),
                self._stalls,
                self._tasks[task],
                self.site(line),
                stack,
            )
        )
        if until is not None:
            self.events.append(
                StallEnded(_at(until), self._stalls, collections, round(delayed * MS))
            )


def _at(ms: float) -> int:
    return 1_000 * MS + round(ms * MS)
