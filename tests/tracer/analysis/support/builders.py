"""Timelines told fact by fact, by a manual clock."""

from __future__ import annotations

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import (
    EnterEnded,
    EnterStarted,
    ErrorText,
    Event,
    ExitEnded,
    ExitStarted,
    Interrupted,
    Outcome,
    ProcessDefined,
    ProcessEnded,
    Quiescent,
    ResourceDefined,
    SiteDefined,
    StallEnded,
    StallStarted,
    TaskDefined,
    TaskEnded,
    WaitEnded,
    WaitStarted,
    WaitTarget,
)
from asyncctx_trace.model.waits import WaitKind

MS = 1_000_000
"""ns: all times here are told in ms."""


class Story:
    """A program of one process; times are ms from its start, which is at 1 s."""

    def __init__(self) -> None:
        self.events: list[Event] = [ProcessDefined(_at(0), 0, 1, 0, "python app.py")]
        self._tasks: dict[str, int] = {}
        self._resources: dict[str, int] = {}
        self._sites: dict[tuple[str, int], int] = {}
        self._open: dict[str, list[int]] = {}
        self._task_of: dict[int, str] = {}
        self._count = 0

    def resource(self, name: str, kind: str = "lock", capacity: int | None = 1) -> None:
        """Define a resource; without this a name is a lock's."""
        self._resources[name] = len(self._resources) + 1
        self.events.append(ResourceDefined(self._resources[name], kind, name, capacity))

    def task(self, name: str, at: float = 0, parent: str | None = None) -> None:
        """Define a task; without this it begins at the start and has no parent."""
        self._tasks[name] = len(self._tasks) + 1
        above = None if parent is None else self._tasks[parent]
        number = self._tasks[name]
        self.events.append(TaskDefined(_at(at), number, name, "asyncio", above, 0, "MainThread"))

    def site(
        self, line: int, file: str = "app.py", function: str = "main", caller: int | None = None
    ) -> int:
        """Define a site; give its id."""
        if (file, line) not in self._sites:
            number = self._sites[file, line] = len(self._sites) + 1
            self.events.append(SiteDefined(number, file, line, function, f"line {line}", caller))
        return self._sites[file, line]

    def asks(
        self,
        at: float,
        task: str,
        resource: str,
        line: int = 1,
        file: str = "app.py",
        *,
        by_call: bool = False,
        manager: str = "app.Manager",
        site: int = 0,
    ) -> int:
        """``task`` begins to enter; gives the acquisition."""
        if task not in self._tasks:
            self.task(task)
        if resource not in self._resources:
            self.resource(resource)
        site = site or self.site(line, file)
        self._count += 1
        open_ = self._open.setdefault(task, [])
        self.events.append(
            EnterStarted(
                _at(at),
                self._count,
                open_[-1] if open_ else None,
                self._tasks[task],
                manager,
                self._resources[resource],
                site,
                by_call,
            )
        )
        open_.append(self._count)
        self._task_of[self._count] = task
        return self._count

    def gets_in(self, at: float, acquisition: int) -> None:
        """The body begins."""
        self.events.append(EnterEnded(_at(at), acquisition, Outcome.OK, None))

    def gives_up(
        self, at: float, acquisition: int, outcome: Outcome = Outcome.CANCELLED, error: str = ""
    ) -> None:
        """The enter fails."""
        self.events.append(EnterEnded(_at(at), acquisition, outcome, _error(error)))
        self._open[self._task_of[acquisition]].remove(acquisition)

    def leaves(
        self,
        at: float,
        acquisition: int,
        outcome: Outcome = Outcome.OK,
        error: str = "",
        task: str | None = None,
        line: int | None = None,
    ) -> None:
        """The body ends and the exit begins; ``line`` is the call that began it."""
        by = self._tasks[task or self._task_of[acquisition]]
        site = None if line is None else self.site(line)
        self.events.append(ExitStarted(_at(at), acquisition, by, outcome, _error(error), site))

    def is_out(
        self,
        at: float,
        acquisition: int,
        outcome: Outcome = Outcome.OK,
        error: str = "",
        suppressed: bool = False,
    ) -> None:
        """The exit ends."""
        self.events.append(ExitEnded(_at(at), acquisition, outcome, suppressed, _error(error)))
        self._open[self._task_of[acquisition]].remove(acquisition)

    def pass_through(
        self,
        task: str,
        resource: str,
        asks: float,
        gets_in: float,
        leaves: float,
        is_out: float | None = None,
        line: int = 1,
    ) -> int:
        """A whole acquisition in which nothing goes wrong."""
        acquisition = self.asks(asks, task, resource, line)
        self.gets_in(gets_in, acquisition)
        self.leaves(leaves, acquisition)
        self.is_out(leaves if is_out is None else is_out, acquisition)
        return acquisition

    def awaits(
        self,
        at: float,
        task: str,
        kind: WaitKind,
        subject: str | None = None,
        line: int = 1,
        targets: tuple[str, ...] = (),
    ) -> int:
        """``task`` suspends on something else than a manager: a resource, or tasks."""
        for each in (task, *targets):
            if each not in self._tasks:
                self.task(each)
        if subject is not None and subject not in self._resources:
            self.resource(subject, "queue", None)
        self._count += 1
        of = self._resources[subject] if subject else None
        if len(targets) == 1:
            of = self._tasks[targets[0]]
        self.events.append(
            WaitStarted(_at(at), self._count, self._tasks[task], of, self.site(line), kind)
        )
        if len(targets) > 1:
            self.events += [WaitTarget(_at(at), self._count, self._tasks[t]) for t in targets]
        return self._count

    def wakes(
        self, at: float, wait: int, by: str | None = None, outcome: Outcome = Outcome.OK
    ) -> None:
        """The wait ends, because of what ``by`` did."""
        waker = None if by is None else self._tasks[by]
        self.events.append(WaitEnded(_at(at), wait, outcome, waker))

    def stands_still(self, since: float, until: float | None, task: str, line: int) -> None:
        """The event loop cannot go on because of what ``task`` does in that line."""
        self._count += 1
        stack = (("app.py", line, "main"),)
        self.events.append(
            StallStarted(
                _at(since + 100), _at(since), self._count, self._tasks[task], self.site(line), stack
            )
        )
        if until is not None:
            self.events.append(StallEnded(_at(until), self._count, 0))

    def quiescent(self, at: float, since: float) -> None:
        """Nothing in the process can wake its event loop any more."""
        self.events.append(Quiescent(_at(at), _at(since), 0))

    def task_gone(self, at: float, task: str) -> None:
        """The task is found finished and let go of."""
        self.events.append(TaskEnded(_at(at), self._tasks[task]))

    def interrupted(self, at: float, reason: str = "SIGINT", *, late: bool = False) -> None:
        """Somebody begins to end the process."""
        self.events.append(Interrupted(_at(at), 1, reason, late))

    def ends(self, at: float, exit_code: int | None = 0) -> None:
        """The process is over, as its launcher has seen."""
        self.events.append(ProcessEnded(_at(at), 1, exit_code))

    def timeline(self) -> Timeline:
        """The events so far, in order of time."""
        definitions = (ProcessDefined, ResourceDefined, SiteDefined, TaskDefined)
        first = [event for event in self.events if isinstance(event, definitions)]
        rest = [event for event in self.events if not isinstance(event, definitions)]
        return Timeline([*first, *sorted(rest, key=lambda event: event.at)])


def _at(ms: float) -> int:
    return 1_000_000_000 + round(ms * MS)


def _error(text: str) -> ErrorText | None:
    kind, _, message = text.partition(": ")
    return ErrorText(f"builtins.{kind}", message) if text else None
