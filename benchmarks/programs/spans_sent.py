"""What it costs to send the spans of a recording: prints CPU µs for each span, in two ways.

    python benchmarks/programs/spans_sent.py [ROUNDS] [ACQUISITIONS]

``ours`` is what ``asyncctx-trace export --otlp`` does with the spans of a recording; ``sdk`` makes
spans with the same names and attributes by the SDK's tracer and passes them to its exporter. Both
send to the same endpoint, in a process of its own, in turn.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from collections.abc import Iterator

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from spans_burst import receive

from asyncctx_trace.export.delivery.endpoint import endpoint_for
from asyncctx_trace.export.delivery.exporters import connect
from asyncctx_trace.export.delivery.sender import BATCH, Sender
from asyncctx_trace.model.events import (
    EnterEnded,
    EnterStarted,
    Event,
    ExitEnded,
    ExitStarted,
    Outcome,
    ProcessDefined,
    ResourceDefined,
    SiteDefined,
    TaskDefined,
)
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace.spans.from_events import SpanBuilder
from asyncctx_trace.spans.span import Span

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
ACQUISITIONS = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000


def events() -> Iterator[Event]:
    """Yield a task that acquires one lock over and over."""
    yield ProcessDefined(1, 0, 41, 1, "python app.py")
    yield ResourceDefined(1, "lock", "db lock", 1)
    yield SiteDefined(1, "app.py", 12, "Shop.sell", "self.lock")
    yield TaskDefined(2, 1, "Task-1", "asyncio", None, 0, "MainThread")
    for number in range(ACQUISITIONS):
        at, ok = 10 * number, Outcome.OK
        yield EnterStarted(at + 10, number + 1, None, 1, "asyncio.locks.Lock", 1, 1)
        yield EnterEnded(at + 12, number + 1, ok, None)
        yield ExitStarted(at + 15, number + 1, 1, ok, None, None)
        yield ExitEnded(at + 16, number + 1, ok, False, None)


def spans() -> list[Span]:
    builder = SpanBuilder(Anchor(1_700_000_000_000_000_000, 0))
    return [*builder.add(events()), *builder.finish()]


def ours(url: str, meant: list[Span]) -> None:
    with Sender(connect(endpoint_for(url))) as sender:
        for _ in sender.send(meant):
            pass
    assert sender.account.complete


def sdk(url: str, meant: list[Span]) -> None:
    exporter: SpanExporter = OTLPSpanExporter(f"{url}/v1/traces")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=4 * BATCH))
    tracer = provider.get_tracer("asyncctx_trace")
    for number, span in enumerate(meant):
        tracer.start_span(span.name, attributes=span.attributes, start_time=span.start).end(
            span.end
        )
        if number % BATCH == BATCH - 1:
            provider.force_flush()
    provider.shutdown()


def main() -> None:
    here, there = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(
        target=receive, args=(there,), daemon=True
    )
    receiver.start()
    url = f"http://127.0.0.1:{here.recv()}"
    meant = spans()
    found: dict[str, list[float]] = {"ours": [], "sdk": []}
    for _ in range(ROUNDS):
        for way in (ours, sdk):
            began = time.process_time()
            way(url, meant)
            found[way.__name__].append((time.process_time() - began) / len(meant) * 1e6)
    here.send("how many?")
    print(json.dumps({**found, "arrived": here.recv(), "meant": 2 * ROUNDS * len(meant)}))
    receiver.join()


if __name__ == "__main__":
    main()
