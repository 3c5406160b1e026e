"""Acquisitions whose spans go to an OTLP endpoint: prints what that took, and what arrived.

    python benchmarks/programs/spans_burst.py WAY [ACQUISITIONS]

The endpoint, on loopback and in a process of its own, counts the spans that arrive. All ways use
the SDK's batch processor and OTLP exporter with their defaults. ``ours`` and ``by_hand`` are a
burst, in which the queue overflows by hand; ``paced`` flushes before it can; ``same_words`` has the
attributes that ours have, too. ``ours_steadily`` and ``by_hand_steadily`` take a fifth as many at
no more than 5,000 a second, at which the exporter keeps up.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.util.types import Attributes

import asyncctx_trace

ACQUISITIONS = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
PACE = 256
"""Acquisitions whose spans fill half of the queue."""
SIP = 50
LIFECYCLE: Attributes = {
    "asyncctx.phase": "lifecycle",
    "asyncctx.acquisition.id": 1,
    "asyncctx.manager": "__main__.Empty",
    "asyncctx.resource.id": 1,
    "asyncctx.resource.kind": "manager",
    "asyncctx.resource.name": "Empty",
    "asyncctx.task.id": 1,
    "asyncctx.task.name": "Task-1",
    "asyncctx.task.runtime": "asyncio",
    "thread.name": "MainThread",
    "code.file.path": __file__,
    "code.line.number": 1,
    "code.function.name": "loop",
    "asyncctx.site.text": "manager",
    "asyncctx.outcome": "ok",
    "asyncctx.suppressed": False,
}
PHASES: dict[str, Attributes] = {
    name: {"asyncctx.phase": name, "asyncctx.outcome": "ok"} for name in ("enter", "body", "exit")
}


def receive(say: Connection) -> None:
    """Count spans until asked for the number."""
    counted = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            nonlocal counted
            body = self.rfile.read(int(self.headers["content-length"]))
            request = ExportTraceServiceRequest.FromString(body)
            counted += sum(
                len(scope.spans) for each in request.resource_spans for scope in each.scope_spans
            )
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    say.send(server.server_port)
    server.timeout = 0.1
    while not say.poll():
        server.handle_request()
    say.send(counted)


class Empty:
    """A manager that does nothing."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *exc: object) -> None:
        return None


async def ours(_provider: TracerProvider, acquisitions: int = ACQUISITIONS) -> None:
    manager = asyncctx_trace.traced(Empty())
    for _ in range(acquisitions):
        async with manager:
            pass


async def by_hand(
    provider: TracerProvider,
    acquisitions: int = ACQUISITIONS,
    pace: int = 0,
    whole: Attributes = None,
    phases: Mapping[str, Attributes] | None = None,
) -> None:
    """The four spans that people write around a manager today."""
    start = provider.get_tracer("by hand").start_as_current_span
    enter, body, exit_ = (phases or dict.fromkeys(PHASES)).values()
    manager = Empty()
    for number in range(acquisitions):
        with start("async with Empty", attributes=whole):
            with start("enter", attributes=enter):
                await manager.__aenter__()
            with start("body", attributes=body):
                pass
            with start("exit", attributes=exit_):
                await manager.__aexit__(None, None, None)
        if pace and number % pace == pace - 1:
            provider.force_flush()


async def steadily(
    way: Callable[[TracerProvider, int], Awaitable[None]], provider: TracerProvider
) -> None:
    for _ in range(ACQUISITIONS // 5 // SIP):
        await way(provider, SIP)
        await asyncio.sleep(SIP / 5000)


async def ours_steadily(provider: TracerProvider) -> None:
    await steadily(ours, provider)


async def by_hand_steadily(provider: TracerProvider) -> None:
    await steadily(by_hand, provider)


async def paced(provider: TracerProvider) -> None:
    await by_hand(provider, pace=PACE)


async def same_words(provider: TracerProvider) -> None:
    await by_hand(provider, pace=PACE, whole=LIFECYCLE, phases=PHASES)


def main() -> None:
    way = {
        each.__name__: each
        for each in (ours, by_hand, paced, same_words, ours_steadily, by_hand_steadily)
    }[sys.argv[1]]
    here, there = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=receive, args=(there,))
    receiver.start()
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{here.recv()}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    telemetry = (
        asyncctx_trace.configure(tracer_provider=provider) if way in (ours, ours_steadily) else None
    )
    began, cpu = time.perf_counter(), time.process_time()
    asyncio.run(way(provider))
    burst = time.perf_counter() - began
    provider.force_flush()
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    if telemetry is not None:
        telemetry.close()
    provider.shutdown()
    here.send("how many?")
    print(
        json.dumps(
            {
                "acquisitions": ACQUISITIONS,
                "cpu": cpu,
                "burst": burst,
                "wall": wall,
                "arrived": here.recv(),
            }
        )
    )
    receiver.join()


if __name__ == "__main__":
    main()
