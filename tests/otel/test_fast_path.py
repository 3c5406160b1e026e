"""Spans that are handed over ready-made say what spans that were started and ended say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.context import attach, detach
from opentelemetry.exporter.otlp.proto.common._internal import trace_encoder
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, SamplingResult, StaticSampler
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from asyncctx_trace import configure, traced
from asyncctx_trace.otel.encoder_patch import PatchedEncoder
from asyncctx_trace.otel.ready_spans import ReadySpan

from .test_spans import Manager

IN_PLAIN = trace_encoder._encode_resource_spans
"""The exporter's own way, before anybody taught it another."""


class Watching(SpanProcessor):
    """Wants to know when spans start, as those do that copy baggage into attributes."""

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        span.set_attribute("watched", True)


class Keeping(SpanExporter):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


@pytest.fixture(params=[300, 0], ids=["one trace", "a trace of its own for each"])
def kept(request: Any) -> Iterator[Keeping]:
    """What a batch processor exports of a program with everything in it."""
    exporter = Keeping()
    provider = TracerProvider(
        resource=Resource.create({"service.name": "shop"}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    telemetry = configure(tracer_provider=provider, new_trace_after=request.param)
    asyncio.run(everything(provider.get_tracer("the user's own")))
    provider.force_flush()
    yield exporter
    telemetry.close()
    provider.shutdown()


async def everything(tracer: Any) -> None:
    """Nesting, contention, errors, remote parents, trace state, other people's spans."""
    lock, outer = traced(asyncio.Lock(), name="lock"), traced(Manager(), name="outer")

    async def worker(number: int) -> None:
        async with outer:
            with tracer.start_as_current_span("of the user", attributes={"number": number}):
                async with lock:
                    await asyncio.sleep(0)

    await asyncio.gather(*(worker(number) for number in range(5)))
    # The same spans but for the line at which the lock is released.
    for _ in range(4):
        await lock.acquire()
        lock.release()
        await lock.acquire()
        lock.release()
    for state in (None, TraceState([("vendor", "1")])):
        far = NonRecordingSpan(SpanContext(7, 8, True, TraceFlags(1), state))
        for _ in range(3):
            token = attach(set_span_in_context(far))
            async with outer:
                pass
            detach(token)
    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            async with outer:
                raise ValueError("no")


def as_sent(messages: Any) -> list[tuple[str, str, Any]]:
    """Each span with the resource and scope it is sent under, by its id."""
    found = [
        (str(message.resource), str(scope.scope), span)
        for message in messages
        for scope in message.scope_spans
        for span in scope.spans
    ]
    return sorted(found, key=lambda each: each[2].span_id)


def test_over_otlp_goes_what_the_exporter_itself_would_say(kept: Keeping) -> None:
    """Field by field, whether they go one by one or all at once."""
    teach = PatchedEncoder(IN_PLAIN)

    together, alone = teach(kept.spans), [teach([span])[0] for span in kept.spans]

    assert sum(isinstance(span, ReadySpan) for span in kept.spans) > 40
    expected = as_sent(IN_PLAIN(kept.spans))
    assert as_sent(together) == expected
    assert as_sent(alone) == expected
    assert teach.copied > 20


def test_an_exporter_that_says_more_is_left_alone(kept: Keeping) -> None:
    """A later version may: what differs from span to span must not be copied."""

    def says_more(spans: Sequence[Any]) -> Any:
        messages = IN_PLAIN(spans)
        for _, _, message in as_sent(messages):
            message.dropped_links_count = message.start_time_unix_nano % 1000
        return messages

    teach = PatchedEncoder(says_more)

    assert as_sent(teach(kept.spans)) == as_sent(says_more(kept.spans))
    assert teach.copied == 0


def test_a_name_that_cannot_be_encoded_costs_no_span(trace: Any, caplog: Any) -> None:
    """The exporter leaves out the attribute, says so, and goes on; so do we."""
    tracing = trace()

    async def named(name: str) -> None:
        async def task() -> None:
            async with traced(Manager(), name="thing"):
                pass

        for _ in range(3):
            await asyncio.create_task(task(), name=name)

    teach = PatchedEncoder(IN_PLAIN)
    asyncio.run(named("worker"))
    asyncio.run(named("\udcff"))
    strange = tracing.spans

    assert as_sent(teach(strange)) == as_sent(IN_PLAIN(strange))

    tracing.exporter.clear()
    asyncio.run(named("worker"))
    before = teach.copied
    assert as_sent(teach(tracing.spans)) == as_sent(IN_PLAIN(tracing.spans))
    assert teach.copied > before


def test_the_exporter_is_as_it_was_when_telemetry_is_closed() -> None:
    telemetry = configure(tracer_provider=TracerProvider(shutdown_on_exit=False))
    assert isinstance(trace_encoder._encode_resource_spans, PatchedEncoder)

    telemetry.close()

    assert trace_encoder._encode_resource_spans is IN_PLAIN


def test_both_ways_say_the_same(trace: Any) -> None:
    """A processor that watches spans start gets them started, and nothing else differs."""

    def told(watched: bool) -> list[str]:
        tracing = trace()
        if watched:
            tracing.provider.add_span_processor(Watching())
        asyncio.run(everything(tracing.tracer))
        spans = {span.context.span_id: span for span in tracing.spans}
        assert all(span.attributes.get("watched", False) is watched for span in spans.values())
        telling = sorted(
            repr(
                (
                    span.name,
                    sorted(
                        (key, value)
                        for key, value in span.attributes.items()
                        if key not in ("watched", "asyncctx.acquisition.id", "asyncctx.resource.id")
                        and not key.startswith("asyncctx.task.")
                    ),
                    getattr(spans.get(span.parent.span_id), "name", "far") if span.parent else None,
                    [dict(link.attributes) for link in span.links],
                    span.status.status_code.name,
                    [event.name for event in span.events],
                    dict(span.resource.attributes)["telemetry.sdk.name"],
                    span.instrumentation_scope.name,
                    str(span.context.trace_flags),
                    dict(span.context.trace_state),
                )
            )
            for span in spans.values()
        )
        tracing.close()
        return telling

    assert told(watched=False) == told(watched=True)


def test_a_processor_that_comes_later_sees_spans_start(trace: Any) -> None:
    tracing = trace()

    async def once() -> None:
        async with traced(Manager(), name="thing"):
            pass

    asyncio.run(once())
    tracing.provider.force_flush()
    tracing.provider.add_span_processor(Watching())
    asyncio.run(once())

    watched = [span.attributes.get("watched") for span in tracing.named("async with thing")]
    assert watched == [None, True]


def test_what_a_sampler_adds_is_kept(trace: Any) -> None:
    class Adorning(StaticSampler):
        def should_sample(self, *words: Any, **more: Any) -> SamplingResult:
            found = super().should_sample(*words, **more)
            return SamplingResult(found.decision, {**found.attributes, "rate": 0.5})

    tracing = trace(sampler=Adorning(Decision.RECORD_AND_SAMPLE))

    async def once() -> None:
        async with traced(Manager(), name="thing"):
            pass

    asyncio.run(once())

    assert tracing.one("async with thing").attributes["rate"] == 0.5
    assert "rate" not in tracing.one("body").attributes


def test_a_finished_span_is_a_readable_span_to_every_exporter(trace: Any) -> None:
    """Whichever of its properties somebody looks at first."""
    looks = ("name", "attributes", "resource", "status", "start_time", "events", "links", "kind")

    for look in looks:
        tracing = trace()

        async def once() -> None:
            async with traced(Manager(), name="thing"):
                pass

        asyncio.run(once())
        tracing.provider.force_flush()
        *_, whole = tracing.exporter.get_finished_spans()
        assert isinstance(whole, ReadySpan)
        getattr(whole, look)
        assert '"name": "async with thing"' in whole.to_json()
        assert not hasattr(whole, "no such thing")
        tracing.close()
