"""Blockers of a waiter, compared with brute force."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncctx_trace.spans.blockers import BlockerTracker


class Oracle:
    """The same by brute force."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.waiting: dict[int, set[int]] = {}
        self.holding: set[int] = set()

    def full(self) -> bool:
        return len(self.holding) >= self.limit

    def enter_started(self, acquisition: int) -> int:
        before = len(self.waiting)
        self.waiting[acquisition] = set(self.holding) if self.full() else set()
        return before

    def enter_succeeded(self, acquisition: int) -> set[int]:
        blockers = self.waiting.pop(acquisition)
        self.holding.add(acquisition)
        if self.full():
            for others in self.waiting.values():
                others.add(acquisition)
        return blockers


@given(st.integers(1, 3), st.lists(st.integers(0, 9), max_size=60))
def test_tracker_agrees_with_brute_force(limit: int, choices: list[int]) -> None:
    """Acquisitions wait, enter, fail to enter and exit in any order."""
    tracker: BlockerTracker[int] = BlockerTracker(limit)
    oracle = Oracle(limit)
    for number, choice in enumerate(choices):
        waiting, holding = list(oracle.waiting), sorted(oracle.holding)
        if choice < 4 or not (waiting or holding):
            assert tracker.enter_started(number) == oracle.enter_started(number)
        elif choice < 7 and waiting:
            acquisition = waiting[choice % len(waiting)]
            count, blockers = tracker.enter_succeeded(acquisition)
            assert set(blockers) == oracle.enter_succeeded(acquisition)
            assert count == len(blockers)
        elif choice == 7 and waiting:
            tracker.enter_failed(waiting[0])
            del oracle.waiting[waiting[0]]
        elif holding:
            tracker.exit_ended(holding[choice % len(holding)])
            oracle.holding.discard(holding[choice % len(holding)])


def test_memory_is_bounded_in_an_endless_queue() -> None:
    """Only holders that a present waiter has seen are kept."""
    tracker: BlockerTracker[int] = BlockerTracker(1)
    tracker.enter_started(0)
    for number in range(10_000):
        tracker.enter_started(number + 1)
        tracker.enter_succeeded(number)
        tracker.exit_ended(number)

    assert len(tracker._entered) <= 256  # noqa: SLF001 - for a count
