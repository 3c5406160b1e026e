"""An OTLP endpoint on loopback: real protobuf over HTTP and gRPC, with faults to order."""

from __future__ import annotations

import gzip
import io
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

Fault = Callable[[Any], bool]
"""Answers in its own way, given the HTTP handler; whether the spans count as taken."""


class Receiver:
    """The requests that have arrived."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.faults: deque[Fault] = deque()
        """One for each of the next requests; then all goes well."""
        self.address = ""

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def resources(self) -> list[dict[str, Any]]:
        return [
            {pair.key: _plain(pair.value) for pair in resource.resource.attributes}
            for request in self.requests
            for resource in request.resource_spans
        ]


def attributes(span: Any) -> dict[str, Any]:
    """Return the attributes of a protobuf span."""
    return {pair.key: _plain(pair.value) for pair in span.attributes}


def _plain(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        assert self.headers["content-type"] == "application/x-protobuf"
        request = ExportTraceServiceRequest.FromString(body)
        self.receiver.headers.append({k.lower(): v for k, v in self.headers.items()})
        fault = self.receiver.faults.popleft() if self.receiver.faults else _takes_all
        wire, self.wfile = self.wfile, io.BytesIO()
        taken = fault(self)
        said, self.wfile = self.wfile.getvalue(), wire
        if taken:
            self.receiver.requests.append(request)
        # Only now: whoever has the answer may look at what has arrived.
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


def answer(handler: Any, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("content-length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def _takes_all(handler: Any) -> bool:
    answer(handler, 200)
    return True


def status(code: int, **headers: Any) -> Fault:
    """Refuse the request."""

    def fault(handler: Any) -> bool:
        answer(handler, code, **headers)
        return False

    return fault


def partial_success(rejected: int, message: str) -> Fault:
    """Accept the request but reject some of its spans."""

    def fault(handler: Any) -> bool:
        said = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
        answer(
            handler,
            200,
            ExportTraceServiceResponse(partial_success=said).SerializeToString(),
            content_type="application/x-protobuf",
        )
        return True

    return fault


def closes_mid_body(handler: Any) -> bool:
    """Send less than the announced content length."""
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b"\x0a")
    handler.close_connection = True
    return False


def hangs(seconds: float) -> Fault:
    """Do not answer within the timeout of the client."""

    def fault(handler: Any) -> bool:
        handler.close_connection = True
        time.sleep(seconds)
        return False

    return fault


@contextmanager
def over_http() -> Iterator[Receiver]:
    """An endpoint that speaks OTLP/HTTP."""
    receiver = Receiver()
    handler = type("Handler", (_Handler,), {"receiver": receiver})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        receiver.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()


class _Service(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, receiver: Receiver, codes: deque[grpc.StatusCode], rejected: int) -> None:
        self.receiver, self.codes, self.rejected = receiver, codes, rejected

    def Export(self, request: Any, context: Any) -> Any:
        self.receiver.headers.append(dict(context.invocation_metadata()))
        if self.codes:
            context.abort(self.codes.popleft(), "not now")
        self.receiver.requests.append(request)
        if not self.rejected:
            return ExportTraceServiceResponse()
        said = ExportTracePartialSuccess(rejected_spans=self.rejected, error_message="too old")
        return ExportTraceServiceResponse(partial_success=said)


@contextmanager
def over_grpc(*codes: grpc.StatusCode, rejected: int = 0) -> Iterator[Receiver]:
    """An endpoint that speaks OTLP/gRPC and answers the first requests with ``codes``."""
    receiver = Receiver()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(  # type: ignore[no-untyped-call]  # generated
        _Service(receiver, deque(codes), rejected), server
    )
    receiver.address = f"grpc://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield receiver
    server.stop(None).wait()


def unused_address() -> str:
    """Return the address of an endpoint that does not answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
