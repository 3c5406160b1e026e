"""An acquisition as four spans of the user's provider."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry import trace as api
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.trace import StatusCode

from asyncctx_trace import traced


class Manager:
    """A manager whose enter and exit can fail or wait."""

    def __init__(self, enter: Any = None, exit: Any = None, suppress: bool = False) -> None:
        self.enter, self.exit, self.suppress = enter, exit, suppress

    async def __aenter__(self) -> Manager:
        if self.enter:
            raise self.enter
        return self

    async def __aexit__(self, *exc: object) -> bool:
        if self.exit:
            raise self.exit
        return self.suppress


async def pass_through(manager: Any) -> None:
    async with traced(manager, name="thing"):
        await asyncio.sleep(0)


def test_phases_cover_the_lifecycle(trace: Any) -> None:
    """Without a nanosecond between them."""
    tracing = trace()
    asyncio.run(pass_through(Manager()))

    whole = tracing.one("async with thing")
    enter, body, exit_ = tracing.children(whole)
    assert [enter.name, body.name, exit_.name] == ["enter", "body", "exit"]
    assert whole.parent is None
    assert enter.start_time == whole.start_time
    assert enter.end_time == body.start_time
    assert body.end_time == exit_.start_time
    assert exit_.end_time == whole.end_time
    assert len(tracing.spans) == 4


def test_attributes_of_the_lifecycle_and_its_phases(trace: Any) -> None:
    """The lifecycle has resource, manager, task and site; each phase its outcome."""
    tracing = trace()

    async def main() -> None:
        async with traced(asyncio.Lock(), name="db lock"):
            pass

    asyncio.run(main())

    said = dict(tracing.one("async with db lock").attributes)
    assert said["asyncctx.resource.kind"] == "lock"
    assert said["asyncctx.resource.name"] == "db lock"
    assert said["asyncctx.resource.capacity"] == 1
    assert said["asyncctx.manager"] == "asyncio.locks.Lock"
    assert said["asyncctx.task.name"] == "Task-1" or said["asyncctx.task.name"].startswith("Task-")
    assert said["code.file.path"] == __file__
    assert said["code.function.name"].endswith("main")
    assert isinstance(said["code.line.number"], int)
    assert said["asyncctx.outcome"] == "ok"
    assert tracing.one("body").attributes["asyncctx.outcome"] == "ok"


def test_spans_of_the_program_are_children_of_the_body(trace: Any) -> None:
    """The body's span is current in the body; afterwards the previous one is current again."""
    tracing = trace()

    async def main() -> None:
        with tracing.tracer.start_as_current_span("request") as request:
            async with traced(Manager(), name="outer"), traced(Manager(), name="inner"):
                with tracing.tracer.start_as_current_span("query"):
                    pass
            assert api.get_current_span() is request
        assert api.get_current_span() is api.INVALID_SPAN

    asyncio.run(main())

    (request,) = tracing.named("request")
    (outer,) = tracing.children(request)
    assert outer.name == "async with outer"
    (inner,) = tracing.children(tracing.children(outer)[1])
    (query,) = tracing.children(tracing.children(inner)[1])
    assert [inner.name, query.name] == ["async with inner", "query"]
    assert {span.context.trace_id for span in tracing.spans} == {request.context.trace_id}


def test_the_body_can_write_to_its_span(trace: Any) -> None:
    """Attributes, events, links, a status and exceptions."""
    tracing = trace()
    elsewhere = api.SpanContext(1, 2, False)

    async def main() -> None:
        async with traced(Manager(), name="thing"):
            span = api.get_current_span()
            assert span.is_recording()
            span.set_attribute("rows", 3)
            span.set_attributes({"table": "users"})
            span.add_event("half way", {"done": 1})
            span.add_link(elsewhere)
            span.record_exception(KeyError("k"))
            span.set_status(StatusCode.ERROR, "not good")
            assert getattr(span, "name", "") == "body"  # which the API does not have
        assert not span.is_recording()

    asyncio.run(main())

    body = tracing.one("body")
    assert body.attributes["rows"] == 3
    assert body.attributes["table"] == "users"
    assert body.attributes["asyncctx.outcome"] == "ok"
    assert [event.name for event in body.events] == ["half way", "exception"]
    assert all(body.start_time <= event.timestamp <= body.end_time for event in body.events)
    assert [link.context for link in body.links] == [elsewhere]
    assert (body.status.status_code, body.status.description) == (StatusCode.ERROR, "not good")
    assert tracing.one("async with thing").status.status_code is StatusCode.UNSET


def test_writing_to_a_body_that_has_ended_is_refused(trace: Any, caplog: Any) -> None:
    """With a warning, as the SDK does."""
    tracing = trace()

    async def main() -> None:
        async with traced(Manager(), name="thing"):
            span = api.get_current_span()
        span.set_attribute("late", True)

    asyncio.run(main())

    assert "late" not in tracing.one("body").attributes
    assert "cannot be changed" in caplog.text


def test_an_error_is_recorded_once_and_fails_all_that_it_leaves(trace: Any) -> None:
    """It is recorded in the inner body; each `async with` that it leaves has status ERROR."""
    tracing = trace()

    async def main() -> None:
        async with traced(Manager(), name="outer"), traced(Manager(), name="inner"):
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(main())

    outer, inner = tracing.one("async with outer"), tracing.one("async with inner")
    events = [(s, e) for s in tracing.spans for e in s.events]
    ((span, event),) = events
    assert span.name == "body"
    assert span.parent.span_id == inner.context.span_id
    assert event.attributes["exception.type"] == "ValueError"
    assert event.attributes["exception.message"] == "broken"
    assert 'raise ValueError("broken")' in event.attributes["exception.stacktrace"]
    assert "exception.escaped" not in event.attributes
    failed = [s.name for s in tracing.spans if s.status.status_code is StatusCode.ERROR]
    assert sorted(failed) == ["async with inner", "async with outer", "body", "body"]
    assert outer.attributes["asyncctx.outcome"] == "error"


def test_a_second_error_at_the_same_site_is_recorded(trace: Any) -> None:
    """Even if the first one was caught in between."""
    tracing = trace()

    async def main() -> None:
        async with traced(Manager(), name="outer"):
            try:
                async with traced(Manager(), name="inner"):
                    raise ValueError("first")
            except ValueError:
                pass
            raise ValueError("second")

    with pytest.raises(ValueError, match="second"):
        asyncio.run(main())

    messages = [e.attributes["exception.message"] for s in tracing.spans for e in s.events]
    assert sorted(messages) == ["first", "second"]


def test_a_suppressed_error_is_not_a_failure(trace: Any) -> None:
    """It is recorded and is the outcome of the body; no span has status ERROR."""
    tracing = trace()

    async def main() -> None:
        async with traced(Manager(suppress=True), name="thing"):
            raise ValueError("forgiven")

    asyncio.run(main())

    body = tracing.one("body")
    assert body.attributes["asyncctx.outcome"] == "error"
    assert len(body.events) == 1
    assert tracing.one("exit").attributes["asyncctx.suppressed"] is True
    assert {s.status.status_code for s in tracing.spans} == {StatusCode.UNSET}


def test_each_phase_records_its_own_error(trace: Any) -> None:
    """An exit that fails after an error of the body has an error of its own."""
    tracing = trace()

    async def main() -> None:
        async with traced(Manager(exit=OSError("cleanup")), name="thing"):
            raise ValueError("body")

    with pytest.raises(OSError, match="cleanup"):
        asyncio.run(main())

    assert [e.attributes["exception.type"] for e in tracing.one("body").events] == ["ValueError"]
    assert [e.attributes["exception.type"] for e in tracing.one("exit").events] == ["OSError"]
    whole = tracing.one("async with thing")
    assert whole.status.description == "OSError: cleanup"


def test_a_failed_enter_has_no_body(trace: Any) -> None:
    """It ends the lifecycle: there are two spans, and both have failed."""
    tracing = trace()
    with pytest.raises(OSError, match="closed"):
        asyncio.run(pass_through(Manager(enter=OSError("closed"))))

    whole, enter = tracing.one("async with thing"), tracing.one("enter")
    assert len(tracing.spans) == 2
    assert (whole.start_time, whole.end_time) == (enter.start_time, enter.end_time)
    assert enter.attributes["asyncctx.outcome"] == "error"
    assert whole.status.status_code is enter.status.status_code is StatusCode.ERROR
    frames = enter.events[0].attributes["exception.stacktrace"]
    assert "importlib" not in frames


def test_an_exception_that_the_program_records_is_recorded_once(trace: Any) -> None:
    """Programs call `record_exception` and raise."""
    tracing = trace()

    async def main() -> None:
        async with traced(Manager(), name="thing"):
            try:
                raise ValueError("known")
            except ValueError as error:
                api.get_current_span().record_exception(error)
                raise

    with pytest.raises(ValueError, match="known"):
        asyncio.run(main())

    assert len(tracing.one("body").events) == 1


def test_a_cancellation_is_an_outcome_but_not_an_error(trace: Any) -> None:
    """In the enter as well as in the body."""
    tracing = trace()

    async def main() -> None:
        lock = traced(asyncio.Lock(), name="lock")
        async with lock:
            waiter = asyncio.create_task(pass_lock(lock))
            await asyncio.sleep(0)
            waiter.cancel()
            await asyncio.gather(waiter, return_exceptions=True)
        worker = asyncio.create_task(hold(lock))
        await asyncio.sleep(0)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)

    async def pass_lock(lock: Any) -> None:
        async with lock:
            pass

    async def hold(lock: Any) -> None:
        async with lock:
            await asyncio.sleep(60)

    asyncio.run(main())

    _, waited, worked = tracing.named("async with lock")
    assert waited.attributes["asyncctx.outcome"] == "cancelled"
    assert [s.name for s in tracing.children(waited)] == ["enter"]
    assert tracing.children(worked)[1].attributes["asyncctx.outcome"] == "cancelled"
    assert {s.status.status_code for s in tracing.spans} == {StatusCode.UNSET}


def test_a_timeout_is_an_error_with_its_own_outcome(trace: Any) -> None:
    """The body is cancelled, and a TimeoutError leaves the exit."""
    tracing = trace()

    async def main() -> None:
        async with traced(asyncio.timeout(0), name="deadline"):
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        asyncio.run(main())

    whole = tracing.one("async with deadline")
    _, body, exit_ = tracing.children(whole)
    assert body.attributes["asyncctx.outcome"] == "cancelled"
    assert body.status.status_code is StatusCode.UNSET
    assert exit_.attributes["asyncctx.outcome"] == "timed_out"
    assert whole.attributes["asyncctx.outcome"] == "timed_out"
    assert whole.status.status_code is StatusCode.ERROR


def test_span_limits_of_the_provider_apply(trace: Any) -> None:
    """Attributes, events and links beyond them are dropped and counted."""
    tracing = trace(span_limits=SpanLimits(max_span_attributes=4, max_events=1, max_links=1))

    async def main() -> None:
        async with traced(Manager(), name="thing"):
            span = api.get_current_span()
            for number in range(9):
                span.set_attribute(f"key {number}", number)
                span.add_event(f"event {number}")
                span.add_link(api.SpanContext(1, number + 1, False))

    asyncio.run(main())

    body = tracing.one("body")
    assert len(body.attributes) == 4
    assert (len(body.events), body.dropped_events) == (1, 8)
    assert (len(body.links), body.dropped_links) == (1, 8)
