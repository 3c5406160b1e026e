"""The fast path exports the same as spans that are started and ended one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.context import attach, detach
from opentelemetry.exporter.otlp.proto.common._internal import trace_encoder
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
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
from asyncctx_trace.otel.sdk_patches.encoder_patch import PatchedEncoder
from asyncctx_trace.otel.strategies.ready_spans import ReadySpan

from .test_spans import Manager

OWN_ENCODER = trace_encoder._encode_resource_spans  # noqa: SLF001 - what is patched
"""The encoder of the exporter before it is patched."""


class StartObserver(SpanProcessor):
    """Observes the start of spans, like processors that copy baggage into attributes."""

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        span.set_attribute("watched", True)


class MemoryExporter(SpanExporter):
    """Keeps the spans."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


@pytest.fixture(params=[300, 0], ids=["one trace", "a trace of its own for each"])
def kept(request: Any) -> Iterator[MemoryExporter]:
    """Return what a batch processor exports of a varied program."""
    exporter = MemoryExporter()
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
    """Nest, contend, fail, with remote parents, trace state, and spans of the user."""
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
    """Return each span with its resource and scope, sorted by its id."""
    found = [
        (str(message.resource), str(scope.scope), span)
        for message in messages
        for scope in message.scope_spans
        for span in scope.spans
    ]
    return sorted(found, key=lambda each: each[2].span_id)


def test_the_patched_encoder_encodes_the_same(kept: MemoryExporter) -> None:
    """Field by field, whether spans are encoded one by one or all at once."""
    encode = PatchedEncoder(OWN_ENCODER)

    together, alone = encode(kept.spans), [encode([span])[0] for span in kept.spans]

    assert sum(isinstance(span, ReadySpan) for span in kept.spans) > 40
    expected = as_sent(OWN_ENCODER(kept.spans))
    assert as_sent(together) == expected
    assert as_sent(alone) == expected
    assert encode.copied > 20


def test_an_encoder_with_unknown_fields_is_used_itself(kept: MemoryExporter) -> None:
    """A later version may encode something that differs from span to span."""

    def says_more(spans: Sequence[Any]) -> Any:
        messages = OWN_ENCODER(spans)
        for _, _, message in as_sent(messages):
            message.dropped_links_count = message.start_time_unix_nano % 1000
        return messages

    encode = PatchedEncoder(says_more)

    assert as_sent(encode(kept.spans)) == as_sent(says_more(kept.spans))
    assert encode.copied == 0


def test_a_name_that_cannot_be_encoded_loses_no_span(trace: Any) -> None:
    """The exporter leaves out the attribute and logs it; so does the patched encoder."""
    tracing = trace()

    async def named(name: str) -> None:
        async def task() -> None:
            async with traced(Manager(), name="thing"):
                pass

        for _ in range(3):
            await asyncio.create_task(task(), name=name)

    encode = PatchedEncoder(OWN_ENCODER)
    asyncio.run(named("worker"))
    asyncio.run(named("\udcff"))
    strange = tracing.spans

    assert as_sent(encode(strange)) == as_sent(OWN_ENCODER(strange))

    tracing.exporter.clear()
    asyncio.run(named("worker"))
    before = encode.copied
    assert as_sent(encode(tracing.spans)) == as_sent(OWN_ENCODER(tracing.spans))
    assert encode.copied > before


def test_closing_telemetry_restores_the_encoder() -> None:
    telemetry = configure(tracer_provider=TracerProvider(shutdown_on_exit=False))
    assert isinstance(vars(trace_encoder)[OWN_ENCODER.__name__], PatchedEncoder)

    telemetry.close()

    assert vars(trace_encoder)[OWN_ENCODER.__name__] is OWN_ENCODER


def test_the_exporter_that_is_installed_encodes_copies(kept: MemoryExporter) -> None:
    """Called as it calls itself: a version that is built in another way fails this test."""
    telemetry = configure(tracer_provider=TracerProvider(shutdown_on_exit=False))
    try:
        encoder = vars(trace_encoder)[OWN_ENCODER.__name__]
        encode_spans(kept.spans)
    finally:
        telemetry.close()

    assert encoder.copied > 20


def test_the_exporter_is_left_alone_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever patches it, or debugs it, can turn ours off."""
    monkeypatch.setenv("ASYNCCTX_TRACE_PATCH_EXPORTER", "off")
    telemetry = configure(tracer_provider=TracerProvider(shutdown_on_exit=False))
    try:
        assert vars(trace_encoder)[OWN_ENCODER.__name__] is OWN_ENCODER
    finally:
        telemetry.close()


def test_started_spans_are_the_same_as_those_of_the_fast_path(trace: Any) -> None:
    """A processor that observes the start of spans gets them started; nothing else differs."""

    def told(watched: bool) -> list[str]:
        tracing = trace()
        if watched:
            tracing.provider.add_span_processor(StartObserver())
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
                        and not key.startswith(("asyncctx.task.", "asyncctx.let_in_by."))
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


def test_a_processor_that_is_added_later_observes_starts(trace: Any) -> None:
    tracing = trace()

    async def once() -> None:
        async with traced(Manager(), name="thing"):
            pass

    asyncio.run(once())
    tracing.provider.force_flush()
    tracing.provider.add_span_processor(StartObserver())
    asyncio.run(once())

    watched = [span.attributes.get("watched") for span in tracing.named("async with thing")]
    assert watched == [None, True]


def test_attributes_that_a_sampler_adds_are_exported(trace: Any) -> None:
    class Annotating(StaticSampler):
        def should_sample(self, *words: Any, **more: Any) -> SamplingResult:
            found = super().should_sample(*words, **more)
            return SamplingResult(found.decision, {**found.attributes, "rate": 0.5})

    tracing = trace(sampler=Annotating(Decision.RECORD_AND_SAMPLE))

    async def once() -> None:
        async with traced(Manager(), name="thing"):
            pass

    asyncio.run(once())

    assert tracing.one("async with thing").attributes["rate"] == 0.5
    assert "rate" not in tracing.one("body").attributes


def test_a_ready_span_is_a_complete_readable_span(trace: Any) -> None:
    """Whichever of its properties is read first."""
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
