"""Send one OTLP request over HTTP or gRPC, within a time limit."""

from __future__ import annotations

import gzip
import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.export.delivery.endpoint import Endpoint
from asyncctx_trace.model.text import plain
from asyncctx_trace.model.urls import hide_secrets

__all__ = ["DeliveryFailed", "Transport", "missing_extra", "transport_to"]

_RETRYABLE = frozenset({429, 502, 503, 504})
_RETRYABLE_GRPC = frozenset(
    {
        "CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "OUT_OF_RANGE",
        "UNAVAILABLE", "DATA_LOSS",
    }
)  # fmt: skip
_MAX_ANSWER = 64 * 1024
"""Bytes of an answer that are read: a valid one has a number and a sentence."""
_MAX_WAIT = 300.0
"""Seconds for which a server may ask to wait."""
_MAX_TEXT = 200
"""Characters of a server's message that are shown."""


class DeliveryFailed(Exception):
    """A request was not answered with success."""

    def __init__(
        self,
        message: str,
        *,
        retryable: bool,
        retry_after: float | None = None,
        unreachable: bool = False,
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        """Whether the request can be sent again."""
        self.retry_after = retry_after
        """Seconds that the server asks to wait."""
        self.unreachable = unreachable
        """Whether the server does not answer at all."""


class Transport(Protocol):
    """A connection to an endpoint."""

    def __call__(self, request: Any, timeout: float) -> tuple[int, str]:
        """Send one request; return the number of rejected spans and the server's message.

        It takes at most about ``timeout`` seconds, whatever the server does.

        Raises:
            DeliveryFailed: The request was not answered with success; nothing else is raised.
        """

    def close(self) -> None:
        """Close the connection."""


def transport_to(endpoint: Endpoint) -> Transport:
    """Return a transport to ``endpoint``; raises AsyncctxTraceError if a package is missing."""
    return _Grpc(endpoint) if endpoint.grpc else _Http(endpoint)


def missing_extra(extra: str, error: ImportError) -> AsyncctxTraceError:
    """Return the error to raise if the packages of an extra are not installed."""
    return AsyncctxTraceError(
        f"sending spans needs {error.name}: pip install 'asyncctx-trace[{extra}]'"
    )


class _Http:
    def __init__(self, endpoint: Endpoint) -> None:
        try:
            import requests
            from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

            from asyncctx_trace.export.delivery.deadline import DeadlineAdapter
        except ImportError as error:
            raise missing_extra("otlp", error) from None
        self._endpoint = endpoint
        self._errors = requests.exceptions
        self._response = trace_service_pb2.ExportTraceServiceResponse
        session = self._session = requests.Session()
        self._adapter = DeadlineAdapter()
        session.mount("http://", self._adapter)
        session.mount("https://", self._adapter)
        session.headers.update(endpoint.headers)
        session.headers["content-type"] = "application/x-protobuf"
        # A short answer needs no compression, and a compressed one may expand to gigabytes.
        session.headers["accept-encoding"] = "identity"
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

    def __call__(self, request: Any, timeout: float) -> tuple[int, str]:
        body = request.SerializeToString()
        if self._endpoint.compressed:
            body = gzip.compress(body)
        with self._adapter.deadline(timeout) as deadline:
            try:
                taken = self._post(body, timeout)
            except DeliveryFailed:
                raise
            except Exception as error:  # a hostile answer may cause any error in the libraries
                if deadline.passed:
                    raise self._timed_out(timeout) from None
                raise self._failed(error, timeout) from None
            if deadline.passed:  # the answer was cut off, which looks like its end
                raise self._timed_out(timeout)
            return taken

    def _post(self, body: bytes, timeout: float) -> tuple[int, str]:
        answer = self._session.post(
            self._endpoint.url, data=body, timeout=timeout, allow_redirects=False, stream=True
        )
        with answer:
            if not 200 <= answer.status_code < 300:
                reason = _one_line(str(answer.reason))
                raise DeliveryFailed(
                    f"{self._endpoint} answered {answer.status_code} {reason}".rstrip(),
                    retryable=answer.status_code in _RETRYABLE,
                    retry_after=_retry_after(answer.headers.get("retry-after")),
                )
            content = b""
            # Only at its end does it show whether the answer is complete.
            while len(content) <= _MAX_ANSWER and (
                more := answer.raw.read(_MAX_ANSWER, decode_content=False)
            ):
                content += more
            if len(content) > _MAX_ANSWER:
                message = f"{self._endpoint} sent an answer of more than {_MAX_ANSWER // 1024} KiB"
                raise DeliveryFailed(message, retryable=False)
        try:
            partial = self._response.FromString(content).partial_success
        except Exception:  # the answer of a proxy, for example
            return 0, ""
        return partial.rejected_spans, _one_line(partial.error_message)

    def _timed_out(self, timeout: float) -> DeliveryFailed:
        message = f"no answer from {self._endpoint} within {timeout:.3g} s"
        return DeliveryFailed(message, retryable=True, unreachable=True)

    def _failed(self, error: Exception, timeout: float) -> DeliveryFailed:
        if isinstance(error, self._errors.Timeout):
            return self._timed_out(timeout)
        tls = isinstance(error, self._errors.SSLError)
        message = f"no {'TLS ' if tls else ''}connection to {self._endpoint}: {_reason(error)}"
        return DeliveryFailed(message, retryable=not tls, unreachable=True)

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
        self._stub: Any = trace_service_pb2_grpc.TraceServiceStub(self._channel)  # type: ignore[no-untyped-call]  # generated code
        self._metadata = tuple(endpoint.headers.items())

    def __call__(self, request: Any, timeout: float) -> tuple[int, str]:
        try:
            answer = self._stub.Export(request, timeout=timeout, metadata=self._metadata)
        except self._error as error:
            code = error.code().name
            message = f"{self._endpoint} answered {code}: {_one_line(error.details() or '')}"
            unreachable = code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
            raise DeliveryFailed(
                message, retryable=code in _RETRYABLE_GRPC, unreachable=unreachable
            ) from None
        except Exception as error:  # such as metadata that gRPC refuses
            message = f"no call of {self._endpoint}: {_reason(error)}"
            raise DeliveryFailed(message, retryable=False, unreachable=True) from None
        partial = answer.partial_success
        return partial.rejected_spans, _one_line(partial.error_message)

    def close(self) -> None:
        self._channel.close()


def _read(path: str | None) -> bytes | None:
    return Path(path).read_bytes() if path else None


def _reason(error: BaseException) -> str:
    """Return the innermost cause in one line; outer ones name classes of libraries."""
    cause: BaseException = error
    seen = {id(cause)}
    while True:
        inner = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__
        if inner is None and cause.args and isinstance(cause.args[-1], BaseException):
            inner = cause.args[-1]
        if not isinstance(inner, BaseException) or id(inner) in seen:
            break
        cause = inner
        seen.add(id(cause))
    if isinstance(cause, OSError) and cause.strerror:
        return _one_line(cause.strerror)
    return _one_line(str(cause)) or type(cause).__name__


def _one_line(text: str) -> str:
    """Return the first line of a message, without terminal escapes and passwords."""
    return plain(hide_secrets(text.strip().partition("\n")[0][:_MAX_TEXT]))


def _retry_after(value: str | None) -> float | None:
    """Return the seconds in a Retry-After header, at most 300; ``None`` if it is invalid."""
    if not value:
        return None
    try:
        if value.strip().isdecimal():
            seconds = float(value)
        else:
            at = parsedate_to_datetime(value)
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            seconds = (at - datetime.now(UTC)).total_seconds()
    except (ArithmeticError, TypeError, ValueError):
        return None
    return None if math.isnan(seconds) else min(max(0.0, seconds), _MAX_WAIT)
