"""An exit is blamed for what it does itself."""

from __future__ import annotations

from collections.abc import Iterator

from asyncctx_trace.analysis.findings import Thresholds, find
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import (
    EnterEnded,
    EnterStarted,
    Event,
    ExitEnded,
    ExitStarted,
    Outcome,
    ResourceDefined,
    TaskDefined,
    TaskEnded,
)

MS = 1_000_000


def unwinding(*inner: int, own: int) -> Timeline:
    """A stack whose exit takes ``own`` ms and those of what it holds, one after the other."""

    def tell() -> Iterator[Event]:
        yield TaskDefined(1, 1, "main", "asyncio", None, 1, "MainThread")
        yield ResourceDefined(1, "exit stack", "stack", None)
        yield ResourceDefined(2, "manager", "replica", None)
        for number in range(len(inner) + 1):
            yield EnterStarted(2, number + 1, number or None, 1, "m", 2 if number else 1, 1)
            yield EnterEnded(3, number + 1, Outcome.OK, None)
        at = 4
        yield ExitStarted(at, 1, 1, Outcome.OK, None)
        for number, took in reversed(list(enumerate(inner, start=2))):
            yield ExitStarted(at, number, 1, Outcome.OK, None)
            at += took * MS
            yield ExitEnded(at, number, Outcome.OK, False, None)
        yield ExitEnded(at + own * MS, 1, Outcome.OK, False, None)

    return Timeline(tell())


def slow(timeline: Timeline) -> list[str]:
    return [
        timeline.resources[timeline.resource[finding.rows[0]]].name
        for finding in find(timeline, thresholds=Thresholds(slow_cleanup=100 * MS))
        if finding.kind == "slow-cleanup"
    ]


def test_a_stack_of_quick_exits_is_not_slow() -> None:
    """However many there are."""
    assert slow(unwinding(90, 90, 90, own=50)) == []


def test_a_stack_that_takes_its_own_time_is() -> None:
    """And so is what is slow inside it, for itself."""
    assert slow(unwinding(90, 90, own=150)) == ["stack"]
    assert slow(unwinding(90, 150, own=50)) == ["replica"]


def test_what_the_collector_began_is_a_leak_and_nothing_else() -> None:
    """A dropped task's exit runs wherever the collector does, and never ends."""
    timeline = Timeline(
        [
            TaskDefined(1, 1, "main", "asyncio", None, 1, "MainThread"),
            TaskDefined(1, 2, "dropped", "asyncio", 1, 1, "MainThread"),
            ResourceDefined(1, "manager", "key", None),
            EnterStarted(2, 1, None, 2, "m", 1, 1),
            EnterEnded(3, 1, Outcome.OK, None),
            ExitStarted(4, 1, 1, Outcome.CANCELLED, None),
            TaskEnded(5, 2),
            TaskEnded(900 * MS, 1),
        ]
    )

    assert [finding.kind for finding in find(timeline)] == ["leak"]
