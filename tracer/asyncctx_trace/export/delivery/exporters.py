"""The exporters of OpenTelemetry's SDK that spans are sent with, and what they leave unbounded."""

from __future__ import annotations

import os
import time
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol

import requests
from opentelemetry.sdk.trace.export import SpanExporter

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.export.delivery.answers import Answer, reason_of
from asyncctx_trace.export.delivery.bounded_http import BoundedAdapter
from asyncctx_trace.export.delivery.endpoint import Endpoint

__all__ = ["Connection", "connect", "connect_by_name"]

_GROUP = "opentelemetry_traces_exporter"
_CREDENTIALS = "opentelemetry_otlp_credential_provider"
_CREDENTIAL_VARIABLES = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER",
)

_RETRYABLE_GRPC = frozenset(
    {
        "CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "OUT_OF_RANGE",
        "UNAVAILABLE", "DATA_LOSS",
    }
)  # fmt: skip


class _Bounded(Protocol):
    until: float | None

    def close(self) -> None:
        """Close all connections."""


class Connection:
    """An exporter, and the answer to its last request as far as that can be observed."""

    def __init__(
        self, exporter: SpanExporter, answer: Answer, adapter: _Bounded | None = None
    ) -> None:
        self.exporter = exporter
        self.answer = answer
        self._adapter = adapter

    def close(self) -> None:
        """Close what the exporter has opened after it was shut down, as for a last attempt."""
        if self._adapter is not None:
            self._adapter.close()

    def end_within(self, seconds: float) -> None:
        """Let no request take longer than up to that time from now."""
        if self._adapter is not None:
            self._adapter.until = time.monotonic() + seconds


def connect(endpoint: Endpoint, timeout: float | None = None) -> Connection:
    """Return the SDK's exporter to ``endpoint``, configured by ``OTEL_EXPORTER_OTLP_*``.

    Args:
        endpoint: Where to send to.
        timeout: Seconds for a batch, with all retries. Default: as configured, or 10.

    Raises:
        AsyncctxTraceError: A package is missing, or a setting is invalid.
    """
    try:
        return (_grpc if endpoint.grpc else _http)(endpoint, timeout)
    except ImportError as error:
        raise AsyncctxTraceError(
            f"sending spans over gRPC needs {error.name}: pip install 'asyncctx-trace[otlp-grpc]'"
            if endpoint.grpc
            else f"sending spans needs {error.name}: pip install asyncctx-trace"
        ) from None
    except (OSError, RuntimeError, ValueError) as error:
        raise _invalid("OTEL_EXPORTER_OTLP_*", error) from None


def connect_by_name(name: str) -> Connection:
    """Return the installed exporter that is registered as ``name``, configured by its variables.

    Raises:
        AsyncctxTraceError: There is none of this name, or it cannot be created.
    """
    installed = {each.name: each for each in entry_points(group=_GROUP)}
    if name not in installed:
        raise AsyncctxTraceError(
            f"no exporter {name!r} is installed; installed are: {', '.join(sorted(installed))}"
        )
    try:
        exporter = installed[name].load()()
    except Exception as error:  # of anybody's code
        raise _invalid(f"exporter {name}", error) from None
    return Connection(exporter, Answer())


def _invalid(what: str, error: Exception) -> AsyncctxTraceError:
    return AsyncctxTraceError(f"invalid setting of {what}: {reason_of(error)}")


def _http(endpoint: Endpoint, timeout: float | None) -> Connection:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    answer = Answer()
    adapter = BoundedAdapter(str(endpoint), answer)
    session = _session()
    for prefix, mounted in list(session.adapters.items()):
        if type(mounted) is requests.adapters.HTTPAdapter:  # not one of a credential provider
            session.mount(prefix, adapter)
    exporter = OTLPSpanExporter(
        endpoint=endpoint.url,
        timeout=timeout,
        session=session,
    )
    return Connection(exporter, answer, adapter)


def _session() -> requests.Session:
    """Return a session, that of the configured credential provider if there is one.

    The exporter looks for a provider only if it is not given a session.
    """
    name = next(filter(None, map(os.environ.get, _CREDENTIAL_VARIABLES)), None)
    if name is None:
        return requests.Session()
    providers: list[EntryPoint] = list(entry_points(group=_CREDENTIALS, name=name))
    if not providers:
        raise ValueError(f"no credential provider {name!r} is installed")
    session = providers[0].load()()
    if not isinstance(session, requests.Session):
        raise ValueError(f"credential provider {name!r} returns no requests.Session")  # noqa: TRY004 - a setting
    return session


def _grpc(endpoint: Endpoint, timeout: float | None) -> Connection:
    import grpc
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    answer = Answer()

    class Observer(grpc.UnaryUnaryClientInterceptor):
        """Notes the answer to each call."""

        def intercept_unary_unary(self, call: Any, details: Any, request: Any) -> Any:
            outcome = call(details, request)
            code = outcome.code()
            if code is grpc.StatusCode.OK:
                answer.accept(outcome.result())
            else:
                problem = f"{endpoint} answered {code.name}: {outcome.details() or ''}"
                reached = code.name not in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
                retryable = code.name in _RETRYABLE_GRPC
                answer.fail(problem, reached=reached, retryable=retryable)
            return outcome

    exporter: Any = OTLPSpanExporter(
        endpoint=endpoint.url,
        timeout=timeout,
    )
    # The exporter has no parameter for interceptors. In a version that is built in another way,
    # spans that the endpoint rejects partially count as sent.
    make_stub, channel = getattr(exporter, "_stub", None), getattr(exporter, "_channel", None)
    if make_stub is not None and channel is not None:
        exporter._stub = lambda channel: make_stub(grpc.intercept_channel(channel, Observer()))
        exporter._client = exporter._stub(channel)
    return Connection(exporter, answer)
