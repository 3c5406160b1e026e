"""Detect deadlocks, and programs that nothing can wake, in a growing recording."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from asyncctx_trace.analysis.deadlocks.cycles import MIN_AGE, deadlocks_at
from asyncctx_trace.analysis.deadlocks.description import describe_cycle
from asyncctx_trace.analysis.deadlocks.stuck_groups import describe_stuck, groups_beyond
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import (
    EnterEnded,
    EnterStarted,
    Event,
    ExitEnded,
    ExitStarted,
    Outcome,
    Quiescent,
    ResourceDefined,
    SiteDefined,
    TaskDefined,
    TaskEnded,
    WaitEnded,
    WaitStarted,
    WaitTarget,
)
from asyncctx_trace.model.text import plain
from asyncctx_trace.recording.reading.reader import Recording

__all__ = ["DeadlockAlarm", "DeadlockWatch"]

_INTERVAL = 400_000_000
"""ns between two looks at waits for other things than resources."""


class DeadlockAlarm:
    """Reports each deadlock of a growing timeline once."""

    def __init__(self) -> None:
        self._reported: set[frozenset[int]] = set()
        self._next_look = 0

    def new_deadlocks(self, timeline: Timeline, now: int) -> list[str]:
        """Describe each deadlock at ``now`` (``time.monotonic_ns()``) not reported before."""
        lines = []
        snapshot = Snapshot(timeline, now, running=True)
        cycles = deadlocks_at(timeline, now)
        for cycle in cycles:
            members = frozenset(timeline.id[row] for row in cycle.waits)
            if members not in self._reported:
                self._reported.add(members)
                kind = "deadlock" if cycle.certain else "possible deadlock"
                lines.append(plain(f"{kind}: {describe_cycle(snapshot, cycle)}"))
        if timeline.waits.open and now >= self._next_look:
            self._next_look = now + _INTERVAL
            explained = {
                timeline.task[row] for cycle in cycles for row in (*cycle.waits, *cycle.behind)
            }
            lines += self._new_groups(snapshot, explained)
        return lines

    def _new_groups(self, snapshot: Snapshot, explained: set[int]) -> list[str]:
        timeline = snapshot.timeline
        lines = []
        for group in groups_beyond(snapshot, explained):
            members = frozenset(
                {timeline.waits.id[each.wait] for each in group.members if each.wait is not None}
                | {timeline.id[each.row] for each in group.members if each.row is not None}
            )
            if snapshot.now - group.since >= MIN_AGE and members not in self._reported:
                self._reported.add(members)
                kind = "deadlock" if group.holds or not group.quiescent else "still waiting"
                certain = "" if group.certain else "possible "
                lines.append(plain(f"{certain}{kind}: {describe_stuck(snapshot, group)}"))
        return lines


class DeadlockWatch:
    """Reads a growing recording and reports each deadlock once.

    It keeps only open acquisitions and waits, and definitions that are in the file, so it can
    follow a program for days.
    """

    def __init__(self, path: Path) -> None:
        """Open the recording ``path``; raises RecordingError or OSError."""
        self._recording = Recording(path)
        self._definitions: dict[tuple[type, int], Event] = {}
        self._in_flight: dict[int, list[Event]] = {}
        self._quiescent: dict[int, Quiescent] = {}
        self._alarm = DeadlockAlarm()

    def __enter__(self) -> DeadlockWatch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._recording.close()

    @property
    def in_flight(self) -> int:
        """The number of open acquisitions and waits."""
        return len(self._in_flight)

    @property
    def definitions(self) -> int:
        """The number of tasks, resources and sites that are known."""
        return len(self._definitions)

    def new_deadlocks(self, now: int) -> list[str]:
        """Describe each deadlock not reported before; ``now`` is ``time.monotonic_ns()``."""
        if self._recording.turned_over:
            # To forget the definitions that are no longer in the file.
            again = self._recording.reopened()
            self._recording.close()
            self._recording = again
            self._definitions.clear()
            self._in_flight.clear()
            self._quiescent.clear()
        batch = self._recording.poll()
        for event in batch.without_completed():
            self._take(event)
        for process, at in batch.latest_times().items():
            if process in self._quiescent and self._quiescent[process].at < at:
                del self._quiescent[process]
        timeline = Timeline(self._definitions.values())
        facts = (
            fact
            for facts in (*self._in_flight.values(), self._quiescent.values())
            for fact in facts
        )
        timeline.extend(sorted(facts, key=lambda fact: fact.at))  # type: ignore[union-attr]  # facts only
        return self._alarm.new_deadlocks(timeline, now)

    def _take(self, event: Event) -> None:  # noqa: C901 - a flat list of the kinds of events
        match event:
            case EnterStarted():
                self._in_flight[event.acquisition] = [event]
            case EnterEnded() | ExitStarted():
                facts = self._in_flight.get(event.acquisition)
                if facts is not None:
                    facts.append(event)
                    if isinstance(event, EnterEnded) and event.outcome is not Outcome.OK:
                        del self._in_flight[event.acquisition]
            case ExitEnded():
                self._in_flight.pop(event.acquisition, None)
            case WaitStarted():
                self._in_flight[event.wait] = [event]
            case WaitTarget():
                self._in_flight.get(event.wait, []).append(event)
            case WaitEnded():
                self._in_flight.pop(event.wait, None)
            case Quiescent():
                self._quiescent[event.process] = event
            case ResourceDefined():
                self._definitions[ResourceDefined, event.resource] = event
            case SiteDefined():
                self._definitions[SiteDefined, event.site] = event
            case TaskDefined():
                self._definitions[TaskDefined, event.task] = event
            case TaskEnded():
                self._definitions.pop((TaskDefined, event.task), None)
            case _:
                pass
