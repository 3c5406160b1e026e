"""What is current where: tasks, stacks, generators, propagation."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import Context as Variables
from contextvars import copy_context
from typing import Any, ClassVar

import pytest
from opentelemetry import baggage
from opentelemetry import trace as api
from opentelemetry.context import attach, get_current
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ParentBased,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from asyncctx_trace import traced

from .test_spans import Manager


def test_ids_are_propagated(trace: Any) -> None:
    """`inject` inside a body sends its ids, and baggage is kept."""
    tracing = trace()
    carrier: dict[str, str] = {}

    async def main() -> None:
        attach(baggage.set_baggage("tenant", "7"))
        async with traced(Manager(), name="thing"):
            inject(carrier)

    asyncio.run(main())

    body = tracing.one("body")
    there = api.get_current_span(extract(carrier)).get_span_context()
    assert (there.trace_id, there.span_id) == (body.context.trace_id, body.context.span_id)
    assert there.trace_flags.sampled
    assert carrier["baggage"] == "tenant=7"


def test_a_remote_parent_is_kept(trace: Any) -> None:
    """Two traced processes are one trace if the ids were propagated."""
    tracing = trace()
    header = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}

    async def main() -> None:
        attach(extract(header))
        async with traced(Manager(), name="thing"):
            pass

    asyncio.run(main())

    whole = tracing.one("async with thing")
    assert whole.context.trace_id == 0x0AF7651916CD43DD8448EB211C80319C
    assert whole.parent.span_id == 0xB7AD6B7169203331
    assert whole.parent.is_remote


@pytest.mark.parametrize("eager", [False, True], ids=["deferred", "eager"])
def test_no_spans_below_a_parent_that_is_not_sampled(trace: Any, eager: bool) -> None:
    """The parent stays current in the body."""
    tracing = trace(api_only=eager)
    parent = NonRecordingSpan(SpanContext(1, 2, True, TraceFlags(0)))

    async def main() -> None:
        attach(set_span_in_context(parent))
        async with traced(Manager(), name="thing"):
            assert api.get_current_span() is parent

    asyncio.run(main())

    assert tracing.spans == []


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, ParentBased(ALWAYS_OFF), TraceIdRatioBased(0)])
def test_spans_in_a_body_that_is_not_sampled_are_not_sampled(trace: Any, sampler: Any) -> None:
    """Otherwise each span in the body would begin a trace of its own."""
    tracing = trace(sampler=sampler)

    async def main() -> None:
        async with traced(Manager(), name="thing"):
            span = api.get_current_span()
            assert span.get_span_context().is_valid
            assert not span.get_span_context().trace_flags.sampled
            assert not span.is_recording()
            span.set_attribute("nobody", "hears")
            async with traced(Manager(), name="inner"):
                with tracing.tracer.start_as_current_span("query"):
                    pass

    asyncio.run(main())

    assert tracing.spans == []


def test_the_sampler_is_asked_once_with_all_attributes(trace: Any) -> None:
    """It gets the name and attributes of the lifecycle; attributes that it adds are on the span."""

    class Picky(ParentBased):
        asked: ClassVar[list[tuple[str, Any]]] = []

        def should_sample(self, *args: Any, **kwargs: Any) -> Any:
            result = super().should_sample(*args, **kwargs)
            self.asked.append((args[2], dict(args[4])))
            attributes = {**(result.attributes or {}), "sampler": "picky"}
            return SamplingResult(result.decision, attributes, result.trace_state)

    tracing = trace(sampler=Picky(TraceIdRatioBased(1)))

    async def main() -> None:
        async with traced(Manager(), name="thing"):
            api.get_current_span().get_span_context()

    asyncio.run(main())

    assert tracing.one("async with thing").attributes["sampler"] == "picky"
    ((name, shown),) = Picky.asked
    assert name == "async with thing"
    assert shown["asyncctx.resource.name"] == "thing"


def test_ids_come_from_the_generator_of_the_provider(trace: Any) -> None:
    """Both trace ids and span ids."""

    class Counting:
        number = 0

        def generate_span_id(self) -> int:
            self.number += 1
            return self.number

        def generate_trace_id(self) -> int:
            return 99

        def is_trace_id_random(self) -> bool:
            return False

    tracing = trace(id_generator=Counting())
    asyncio.run(once())

    assert {span.context.trace_id for span in tracing.spans} == {99}
    assert {span.context.span_id for span in tracing.spans} == {1, 2, 3, 4}


async def once() -> None:
    async with traced(Manager(), name="thing"):
        pass


def test_an_exit_stack_can_be_closed_in_another_task(trace: Any, caplog: Any) -> None:
    """Nothing is logged, and spans of the task that entered have the right parent."""
    tracing = trace()

    async def main() -> None:
        with tracing.tracer.start_as_current_span("request"):
            stack = AsyncExitStack()
            await stack.enter_async_context(traced(Manager(), name="kept"))
            await asyncio.create_task(stack.aclose())
            async with traced(Manager(), name="next"):
                pass

    asyncio.run(main())

    request = tracing.one("request")
    assert [s.name for s in tracing.children(request)] == ["async with kept", "async with next"]
    (exit_,) = [s for s in tracing.children(tracing.one("async with kept")) if s.name == "exit"]
    assert exit_.attributes["asyncctx.exit.task.name"].startswith("Task-")
    assert caplog.text == ""


def test_enter_and_exit_may_run_in_different_contexts(trace: Any, caplog: Any) -> None:
    """pytest-asyncio runs each step of a generator fixture in a context of its own."""
    tracing = trace()

    @asynccontextmanager
    async def database() -> AsyncIterator[None]:
        async with traced(Manager(), name="db"):
            yield

    async def step(manager: Any, exit: bool) -> None:
        await (manager.__aexit__(None, None, None) if exit else manager.__aenter__())

    loop = asyncio.new_event_loop()
    fixture = database()
    for exit_ in (False, True):
        loop.run_until_complete(loop.create_task(step(fixture, exit_), context=Variables()))
    loop.close()

    assert [s.name for s in tracing.spans] == ["async with db", "enter", "body", "exit"]
    assert caplog.text == ""


def test_exits_out_of_order_restore_the_context(trace: Any) -> None:
    """After a and b were entered and exited in the same order, neither is current."""
    tracing = trace()

    async def main() -> None:
        before = get_current()
        a, b = traced(Manager(), name="a"), traced(Manager(), name="b")
        await a.__aenter__()
        await b.__aenter__()
        await a.__aexit__(None, None, None)
        assert getattr(api.get_current_span(), "name", "") == "body"
        await b.__aexit__(None, None, None)
        assert get_current() is before

    asyncio.run(main())

    assert len(tracing.spans) == 8


def test_a_child_task_is_below_the_body_that_started_it(trace: Any) -> None:
    """Even if the body has ended before the child acquires something."""
    tracing = trace()

    async def main() -> None:
        async with traced(Manager(), name="parent"):
            child = asyncio.create_task(later())
        await child

    async def later() -> None:
        await asyncio.sleep(0)
        async with traced(Manager(), name="child"):
            pass

    asyncio.run(main())

    body = tracing.children(tracing.one("async with parent"))[1]
    assert [s.name for s in tracing.children(body)] == ["async with child"]


def test_an_acquisition_in_an_old_body_begins_a_trace(trace: Any) -> None:
    """A pool that is open as long as its service is not the root of one endless trace."""
    tracing = trace(new_trace_after=0.0)

    async def main() -> None:
        async with traced(Manager(), name="pool"), traced(Manager(), name="request"):
            with tracing.tracer.start_as_current_span("query"):
                pass

    asyncio.run(main())

    pool, request = tracing.one("async with pool"), tracing.one("async with request")
    body = tracing.children(pool)[1]
    assert request.parent is None
    assert request.context.trace_id != pool.context.trace_id
    assert tracing.one("query").context.trace_id == request.context.trace_id
    (link,) = request.links
    assert link.context.span_id == body.context.span_id
    assert link.attributes["asyncctx.link.kind"] == "entered_in"


@pytest.mark.parametrize("eager", [False, True], ids=["deferred", "eager"])
def test_a_trace_has_a_limited_number_of_spans(trace: Any, eager: bool) -> None:
    """Acquisitions in the body of a full trace begin new ones, which are linked to it."""
    tracing = trace(max_trace_spans=40, api_only=eager)

    async def main() -> None:
        async with traced(Manager(), name="pool"):
            for _ in range(30):
                async with traced(Manager(), name="request"):
                    pass

    asyncio.run(main())

    pool = tracing.one("async with pool")
    sizes = Counter(span.context.trace_id for span in tracing.spans)
    roots = [span for span in tracing.named("async with request") if span.parent is None]
    assert sizes[pool.context.trace_id] == 40
    assert set(sizes.values()) == {40, 4}
    assert len(roots) == 21
    body = tracing.children(pool)[1]
    assert {link.context.span_id for root in roots for link in root.links} == {body.context.span_id}


def test_nesting_can_be_deep(trace: Any) -> None:
    """A thousand nested managers cause no recursion."""
    tracing = trace()

    async def main() -> None:
        async with AsyncExitStack() as stack:
            for _ in range(1000):
                await stack.enter_async_context(traced(Manager(), name="level"))
            assert api.get_current_span().get_span_context().is_valid

    asyncio.run(main())

    assert len(tracing.spans) == 4000


def test_the_work_of_an_exporter_is_not_traced(trace: Any) -> None:
    """The context of an exporter says so; otherwise sending spans would make spans."""
    from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, set_value

    tracing = trace()

    async def main() -> None:
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        await once()

    copy_context().run(asyncio.run, main())

    assert tracing.spans == []


def test_trio_has_the_same_parents_and_links(trace: Any) -> None:
    """As asyncio."""
    trio = pytest.importorskip("trio")
    tracing = trace()

    async def main() -> None:
        lock = traced(trio.Lock(), name="lock", kind="lock", capacity=1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold, lock)
            nursery.start_soon(hold, lock)

    async def hold(lock: Any) -> None:
        with tracing.tracer.start_as_current_span("worker"):
            async with lock:
                api.get_current_span().set_attribute("runtime", "trio")
                await trio.sleep(0)

    trio.run(main)

    for worker in tracing.named("worker"):
        (whole,) = tracing.children(worker)
        assert whole.attributes["asyncctx.task.runtime"] == "trio"
        assert tracing.children(whole)[1].attributes["runtime"] == "trio"
    assert sorted(len(span.links) for span in tracing.named("enter")) == [0, 1]
