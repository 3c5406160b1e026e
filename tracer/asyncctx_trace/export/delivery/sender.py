"""Delivers spans to an OTLP endpoint, and accounts for each of them."""

from __future__ import annotations

import gzip
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.export.delivery.endpoint import Endpoint
from asyncctx_trace.spans.span import Span

__all__ = ["BATCH", "Account", "NotDelivered", "Sender", "missing_extra"]

BATCH = 500
"""Spans in one request."""
_FIRST_PAUSE = 0.5
_EVENTS = 1000
"""Events of one span that are sent: a request has its limits, and a program may print a lot."""
_RETRYABLE = frozenset({429, 502, 503, 504})
_RETRYABLE_GRPC = frozenset(
    {
        "CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "OUT_OF_RANGE",
        "UNAVAILABLE", "DATA_LOSS",
    }
)  # fmt: skip


@dataclass(slots=True)
class Account:
    """What has become of every span."""

    sent: int = 0
    """The server took them."""
    rejected: int = 0
    """The server took the request and refused these (OTLP's partial success)."""
    failed: int = 0
    """Not delivered: sending again, from the recording, is safe."""
    problems: dict[str, int] = field(default_factory=dict)
    """What went wrong, and how often."""

    @property
    def complete(self) -> bool:
        """Whether the server has every span."""
        return not self.rejected and not self.failed

    def problem(self, said: str) -> None:
        """Count something that went wrong."""
        self.problems[said] = self.problems.get(said, 0) + 1

    def __str__(self) -> str:
        return f"{self.sent} sent, {self.rejected} rejected, {self.failed} failed"


class NotDelivered(Exception):
    """A request has not been answered with success."""

    def __init__(self, said: str, *, again: bool, after: float | None = None, away: bool = False):
        super().__init__(said)
        self.again = again
        """Whether it is worth another try."""
        self.after = after
        """Seconds that the server asks to wait."""
        self.away = away
        """Whether nobody answers there at all."""


class _Transport(Protocol):
    def __call__(self, message: Any) -> tuple[int, str]:
        """Send one request; returns rejected spans and what is said of them."""

    def close(self) -> None: ...


class Sender:
    """Sends spans in batches; tries again, ever more slowly, for ``patience`` seconds a batch."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        patience: float = 15.0,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises AsyncctxTraceError where a package is missing."""
        self.endpoint = endpoint
        self.account = Account()
        self._patience = patience
        self._sleep = sleep
        self._clock = clock
        self._send = _transport(endpoint)

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self._send.close()

    def send(self, spans: Iterable[Span]) -> Iterator[Account]:
        """Send all of ``spans``; gives the account after every batch.

        Where nobody answers, the rest is counted as failed and not tried.
        """
        rest = iter(spans)
        for batch in _batches(rest):
            away = self._deliver(batch)
            yield self.account
            if away:
                self.account.failed += sum(1 for _ in rest)
                yield self.account

    def deliver(self, batch: list[Span]) -> None:
        """Send one batch and count it as sent or rejected; raises NotDelivered, uncounted."""
        from asyncctx_trace.export.formats.otlp_protobuf import request

        rejected, said = self._send(request(map(_bounded, batch)))
        rejected = min(max(rejected, 0), len(batch))
        self.account.sent += len(batch) - rejected
        self.account.rejected += rejected
        if said or rejected:
            self.account.problem(f"the server says: {said or 'rejected'}")

    def _deliver(self, batch: list[Span]) -> bool:
        """Send one batch, whatever happens; whether nobody answers."""
        deadline = self._clock() + self._patience
        pause = _FIRST_PAUSE
        while True:
            try:
                self.deliver(batch)
                return False
            except NotDelivered as problem:
                # Clients that were turned away together do not come back together.
                wait = problem.after
                if wait is None:
                    wait = pause * random.uniform(0.5, 1.5)
                pause *= 2
                if not problem.again or self._clock() + wait > deadline:
                    self.account.failed += len(batch)
                    self.account.problem(str(problem))
                    return problem.away
            self._sleep(wait)


def _batches(spans: Iterator[Span]) -> Iterator[list[Span]]:
    while batch := list(islice(spans, BATCH)):
        yield batch


def _bounded(span: Span) -> Span:
    if len(span.events) <= _EVENTS:
        return span
    kept, dropped = span.events[:_EVENTS], len(span.events) - _EVENTS
    return replace(span, events=kept, dropped_events=span.dropped_events + dropped)


def _transport(endpoint: Endpoint) -> _Transport:
    return _Grpc(endpoint) if endpoint.grpc else _Http(endpoint)


def missing_extra(extra: str, error: ImportError) -> AsyncctxTraceError:
    """What to say where the packages of an extra are not installed."""
    return AsyncctxTraceError(
        f"sending spans needs {error.name}: pip install 'asyncctx-trace[{extra}]'"
    )


class _Http:
    def __init__(self, endpoint: Endpoint) -> None:
        try:
            import requests
            from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
        except ImportError as error:
            raise missing_extra("otlp", error) from None
        self._endpoint = endpoint
        self._errors = requests.exceptions
        self._response = trace_service_pb2.ExportTraceServiceResponse
        session = self._session = requests.Session()
        session.headers.update(endpoint.headers)
        session.headers["content-type"] = "application/x-protobuf"
        if endpoint.compressed:
            session.headers["content-encoding"] = "gzip"
        if endpoint.certificate:
            session.verify = endpoint.certificate
        if endpoint.client_certificate:
            session.cert = (
                (endpoint.client_certificate, endpoint.client_key)
                if endpoint.client_key
                else endpoint.client_certificate
            )

    def __call__(self, message: Any) -> tuple[int, str]:
        body = message.SerializeToString()
        endpoint = self._endpoint
        if endpoint.compressed:
            body = gzip.compress(body)
        try:
            answer = self._session.post(
                endpoint.url, data=body, timeout=endpoint.timeout, allow_redirects=False
            )
        except self._errors.Timeout:
            said = f"no answer from {endpoint} within {endpoint.timeout:g} s"
            raise NotDelivered(said, again=True, away=True) from None
        except self._errors.SSLError as error:
            said = f"no TLS connection to {endpoint}: {_reason(error)}"
            raise NotDelivered(said, again=False, away=True) from None
        except self._errors.RequestException as error:
            said = f"no connection to {endpoint}: {_reason(error)}"
            raise NotDelivered(said, again=True, away=True) from None
        if not 200 <= answer.status_code < 300:
            said = f"{endpoint} answered {answer.status_code} {answer.reason}"
            raise NotDelivered(
                said,
                again=answer.status_code in _RETRYABLE,
                after=_retry_after(answer.headers.get("retry-after")),
            )
        try:
            partial = self._response.FromString(answer.content).partial_success
        except Exception:  # a proxy's own idea of success
            return 0, ""
        return partial.rejected_spans, partial.error_message

    def close(self) -> None:
        self._session.close()


class _Grpc:
    def __init__(self, endpoint: Endpoint) -> None:
        try:
            import grpc
            from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
        except ImportError as error:
            raise missing_extra("otlp-grpc", error) from None
        self._endpoint = endpoint
        self._error = grpc.RpcError
        address = endpoint.url.split("://", 1)[1]
        compression = grpc.Compression.Gzip if endpoint.compressed else None
        if endpoint.url.startswith("https"):
            credentials = grpc.ssl_channel_credentials(
                _read(endpoint.certificate),
                _read(endpoint.client_key),
                _read(endpoint.client_certificate),
            )
            self._channel = grpc.secure_channel(address, credentials, compression=compression)
        else:
            self._channel = grpc.insecure_channel(address, compression=compression)
        self._stub: Any = trace_service_pb2_grpc.TraceServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._metadata = tuple(endpoint.headers.items())

    def __call__(self, message: Any) -> tuple[int, str]:
        try:
            answer = self._stub.Export(
                message, timeout=self._endpoint.timeout, metadata=self._metadata
            )
        except self._error as error:
            code = error.code().name
            said = f"{self._endpoint} answered {code}: {_first_line(error.details() or '')}"
            away = code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
            raise NotDelivered(said, again=code in _RETRYABLE_GRPC, away=away) from None
        return answer.partial_success.rejected_spans, answer.partial_success.error_message

    def close(self) -> None:
        self._channel.close()


def _read(path: str | None) -> bytes | None:
    return Path(path).read_bytes() if path else None


def _reason(error: BaseException) -> str:
    """The innermost cause, in one line: what is around it names classes of libraries."""
    cause: BaseException = error
    while True:
        inner = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__
        if inner is None and cause.args and isinstance(cause.args[-1], BaseException):
            inner = cause.args[-1]
        if not isinstance(inner, BaseException) or inner is cause:
            break
        cause = inner
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return _first_line(str(cause)) or type(cause).__name__


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:200]


def _retry_after(value: str | None) -> float | None:
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
