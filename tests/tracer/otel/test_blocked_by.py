"""Links from the enter of a waiter to the holders that blocked it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from opentelemetry.context import attach
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from asyncctx_trace import traced


def test_a_waiter_links_to_every_holder_that_blocked_it(trace: Any) -> None:
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


@pytest.mark.parametrize("api_only", [False, True])
def test_a_body_links_to_whom_it_blocked_and_says_who_let_it_in(trace: Any, api_only: bool) -> None:
    """As in the export of a recording, whether spans are made at once or at the end."""
    tracing = trace(api_only=api_only)

    async def main() -> None:
        lock = traced(asyncio.Lock(), name="lock")
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(hold(lock), name=f"worker-{number}")

    async def hold(lock: Any) -> None:
        async with lock:
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    asyncio.run(main())

    whole = tracing.named("async with lock")
    ids = [span.context.span_id for span in whole]
    bodies = [tracing.children(span)[1] for span in whole]
    assert [[link.context.span_id for link in body.links] for body in bodies] == [
        ids[1:],
        ids[2:],
        [],
    ]
    kinds = {link.attributes["asyncctx.link.kind"] for body in bodies for link in body.links}
    assert kinds == {"blocks"}
    let_in = [body.attributes.get("asyncctx.let_in_by.task.name") for body in bodies]
    assert let_in == [None, "worker-0", "worker-1"]
    for span in whole:
        for phase in tracing.children(span):
            assert phase.attributes["asyncctx.resource.name"] == "lock"
            assert phase.attributes["asyncctx.resource.kind"] == "lock"
            assert phase.attributes["code.function.name"].endswith("hold")


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_acquired_while_connecting_is_below_the_enter(trace: Any, fails: bool) -> None:
    """What outlasts the enter is below the whole."""
    tracing = trace()

    class Connecting:
        async def __aenter__(self) -> None:
            async with traced(asyncio.Lock(), name="connecting"):
                if fails:
                    raise OSError("refused")
            self.kept = traced(asyncio.Lock(), name="kept")
            await self.kept.__aenter__()

        async def __aexit__(self, *_: object) -> None:
            await self.kept.__aexit__(None, None, None)

    async def main() -> None:
        with suppress(OSError):
            async with traced(Connecting(), name="connection"):
                await asyncio.sleep(0)

    asyncio.run(main())

    whole = tracing.one("async with connection")
    enter = next(span for span in tracing.children(whole) if span.name == "enter")
    assert tracing.one("async with connecting").parent.span_id == enter.context.span_id
    if not fails:
        assert tracing.one("async with kept").parent.span_id == whole.context.span_id


def test_holders_that_are_not_sampled_are_counted(trace: Any) -> None:
    """They have no span to link to, but they blocked the waiter."""
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


def test_a_resource_that_is_not_full_blocks_nobody(trace: Any) -> None:
    """Two tasks in a semaphore for two, and any number in a timeout."""
    tracing = trace()

    async def main() -> None:
        semaphore = traced(asyncio.Semaphore(2), name="two")
        async with semaphore, semaphore, traced(asyncio.timeout(9)), traced(asyncio.timeout(9)):
            pass

    asyncio.run(main())

    assert [span.links for span in tracing.named("enter")] == [()] * 4
