"""Who was in whose way, as links of spans."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import attach
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from asyncctx_trace import traced
from asyncctx_trace.otel.holders import Contention


def test_a_waiter_links_to_every_holder_that_was_in_its_way(trace: Any) -> None:
    """The third in line was blocked by the first and by the second."""
    tracing = trace()

    async def main() -> None:
        lock = traced(asyncio.Lock(), name="lock")
        await asyncio.gather(*(hold(lock) for _ in range(3)))

    async def hold(lock: Any) -> None:
        async with lock:
            await asyncio.sleep(0)

    asyncio.run(main())

    whole = tracing.named("async with lock")
    ids = [span.context.span_id for span in whole]
    enters = [tracing.children(span)[0] for span in whole]
    assert [[link.context.span_id for link in e.links] for e in enters] == [[], ids[:1], ids[:2]]
    assert [e.attributes["asyncctx.waiters_before"] for e in enters] == [0, 0, 1]
    assert [e.attributes["asyncctx.blocked_by.count"] for e in enters] == [0, 1, 2]
    assert {link.attributes["asyncctx.link.kind"] for e in enters for link in e.links} == {
        "blocked_by"
    }


def test_who_is_not_sampled_counts_all_the_same(trace: Any) -> None:
    """It has no span to link to, but it was before you."""
    tracing = trace()
    unsampled = NonRecordingSpan(SpanContext(1, 2, True, TraceFlags(0)))

    async def main() -> None:
        lock = traced(asyncio.Lock(), name="lock")
        await asyncio.gather(hold(lock, True), hold(lock, False), hold(lock, True))

    async def hold(lock: Any, sampled: bool) -> None:
        if not sampled:
            attach(set_span_in_context(unsampled))
        async with lock:
            await asyncio.sleep(0)

    asyncio.run(main())

    _, last = (tracing.children(span)[0] for span in tracing.named("async with lock"))
    assert last.attributes["asyncctx.waiters_before"] == 1
    assert last.attributes["asyncctx.blocked_by.count"] == 2
    assert len(last.links) == 1


def test_where_there_is_room_nobody_is_in_the_way(trace: Any) -> None:
    """Two at once in a semaphore for two, and in a timeout as many as like."""
    tracing = trace()

    async def main() -> None:
        semaphore = traced(asyncio.Semaphore(2), name="two")
        async with semaphore, semaphore, traced(asyncio.timeout(9)), traced(asyncio.timeout(9)):
            pass

    asyncio.run(main())

    assert [span.links for span in tracing.named("enter")] == [()] * 4


class Oracle:
    """The same by brute force: a list of all that happened."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.waiting: dict[int, set[int]] = {}
        self.holding: set[int] = set()

    def full(self) -> bool:
        return len(self.holding) >= self.limit

    def asked(self, who: int) -> int:
        ahead = len(self.waiting)
        self.waiting[who] = set(self.holding) if self.full() else set()
        return ahead

    def got_in(self, who: int) -> set[int]:
        blockers = self.waiting.pop(who)
        self.holding.add(who)
        if self.full():
            for others in self.waiting.values():
                others.add(who)
        return blockers


@given(st.integers(1, 3), st.lists(st.integers(0, 9), max_size=60))
def test_it_agrees_with_brute_force(limit: int, choices: list[int]) -> None:
    """Whoever asks, gets in, gives up and leaves, in whatever order."""
    contention: Contention[int] = Contention(limit)
    oracle = Oracle(limit)
    for number, choice in enumerate(choices):
        waiting, holding = list(oracle.waiting), sorted(oracle.holding)
        if choice < 4 or not (waiting or holding):
            assert contention.asked(number) == oracle.asked(number)
        elif choice < 7 and waiting:
            who = waiting[choice % len(waiting)]
            count, blockers = contention.got_in(who)
            assert set(blockers) == oracle.got_in(who)
            assert count == len(blockers)
        elif choice == 7 and waiting:
            contention.gave_up(waiting[0])
            del oracle.waiting[waiting[0]]
        elif holding:
            contention.let_go(holding[choice % len(holding)])
            oracle.holding.discard(holding[choice % len(holding)])


def test_a_queue_that_never_ends_is_not_remembered_for_ever() -> None:
    """Of many thousand holders those count that somebody waiting has seen."""
    contention: Contention[int] = Contention(1)
    contention.asked(0)
    for number in range(10_000):
        contention.asked(number + 1)
        contention.got_in(number)
        contention.let_go(number)

    assert len(contention._came) <= 256
