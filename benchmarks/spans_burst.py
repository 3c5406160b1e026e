"""A burst of acquisitions in one process, and how many of their spans reach an OTLP endpoint.

    python benchmarks/spans_burst.py [--acquisitions 100000] [--by-hand]

An endpoint on loopback that speaks OTLP/HTTP counts the spans that arrive, by what they say.
Both ways use the SDK's batch processor and OTLP exporter with their defaults.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from spans_cost import ByHand, Empty, over

import asyncctx_trace


def receive(say: Connection) -> None:
    """Count spans in a process of its own until asked for the number."""
    counted = {"spans": 0}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            request = ExportTraceServiceRequest.FromString(body)
            counted["spans"] += sum(
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
    say.send(counted["spans"])


class Dropped(logging.Handler):
    """Counts what the batch processor's log says was dropped, if it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += "dropping" in record.getMessage()


def burst(by_hand: bool, acquisitions: int) -> None:
    ours, theirs = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=receive, args=(theirs,))
    receiver.start()
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{ours.recv()}/v1/traces")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    log = Dropped()
    logging.getLogger("opentelemetry.sdk._shared_internal").addHandler(log)
    telemetry = asyncctx_trace.configure(tracer_provider=provider)
    loop: Any = over(asyncctx_trace.traced(Empty()))
    if by_hand:
        telemetry.close()
        loop = ByHand(provider.get_tracer("by hand")).loop
    began = time.perf_counter()
    asyncio.run(loop(acquisitions))
    burst_took = time.perf_counter() - began
    provider.force_flush()
    delivered = time.perf_counter() - began
    if not by_hand:
        told = f"; it says {telemetry.emitted} given, {telemetry.dropped} acquisitions left out"
    else:
        told = f"; {log.lines} lines in the log say that something was dropped"
    telemetry.close()
    provider.shutdown()
    ours.send("how many?")
    arrived = ours.recv()
    receiver.join()
    name = "four spans by hand" if by_hand else "asyncctx-trace"
    print(
        f"{name}: {acquisitions} acquisitions in {burst_took:.1f} s "
        f"({burst_took / acquisitions * 1e6:.0f} µs each), all delivered after {delivered:.1f} s: "
        f"{arrived} of {4 * acquisitions} spans arrived, {4 * acquisitions - arrived} did not{told}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--acquisitions", type=int, default=100_000)
    parser.add_argument("--by-hand", action="store_true", help="only the spans by hand")
    parser.add_argument("--ours", action="store_true", help="only ours")
    options = parser.parse_args()
    for by_hand in (False, True):
        if not (options.ours if by_hand else options.by_hand):
            burst(by_hand, options.acquisitions)


if __name__ == "__main__":
    main()
