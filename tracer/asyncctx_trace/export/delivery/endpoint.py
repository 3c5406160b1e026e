"""The endpoint that spans are sent to: from the command line or OTEL_EXPORTER_OTLP_*."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.model.urls import hide_secrets

__all__ = ["DEFAULT_URL", "InvalidEndpoint", "Endpoint", "endpoint_for"]

DEFAULT_URL = "http://localhost:4318"
_TIMEOUT = 10.0
_PATH = "/v1/traces"
_GRPC_PORT = 4317


class InvalidEndpoint(AsyncctxTraceError):
    """The URL or a setting of the endpoint is invalid."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OTLP endpoint, with protocol, headers and certificates."""

    url: str
    """With the path for HTTP; ``http://host:port`` for gRPC, ``https`` for gRPC over TLS."""
    grpc: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    timeout: float = _TIMEOUT
    """Seconds for one request."""
    compressed: bool = False
    certificate: str | None = None
    """File with the certificates to trust instead of those of the system."""
    client_certificate: str | None = None
    client_key: str | None = None

    def __str__(self) -> str:
        return hide_secrets(self.url)


def endpoint_for(url: str | None = None, *, grpc: bool | None = None) -> Endpoint:
    """Return the endpoint ``url``; what is not passed is taken from the environment.

    ``OTEL_EXPORTER_OTLP_TRACES_*`` takes precedence over ``OTEL_EXPORTER_OTLP_*``. Timeouts are in
    seconds, as in OpenTelemetry's Python SDK.

    Raises:
        InvalidEndpoint: The URL or a variable is invalid.
    """
    protocol = _env("PROTOCOL") or "http/protobuf"
    if protocol not in ("grpc", "http/protobuf", "http/json"):
        raise InvalidEndpoint(
            f"invalid OTEL_EXPORTER_OTLP_PROTOCOL {protocol!r}; use grpc or http/protobuf"
        )
    whole = url is None and os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    given = url or whole or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or DEFAULT_URL
    if "://" not in given:
        given = f"http://{given}"
    try:
        parts = urlsplit(given)
    except ValueError:  # such as [::1 without its bracket
        parts = urlsplit("")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https", "grpc", "grpcs") or not parts.hostname or port == -1:
        raise InvalidEndpoint(
            f"{hide_secrets(given)} is not an OTLP endpoint: use for example {DEFAULT_URL}"
        )
    if grpc is None:
        grpc = parts.scheme.startswith("grpc") or port == _GRPC_PORT
        grpc = grpc or (url is None and protocol == "grpc")
    path = parts.path
    if grpc:
        path = ""
    elif not whole and not path.rstrip("/").endswith(_PATH):
        path = path.rstrip("/") + _PATH
    secure = parts.scheme in ("https", "grpcs")
    timeout = _env("TIMEOUT")
    try:
        seconds = float(timeout) if timeout else _TIMEOUT
    except ValueError:
        raise InvalidEndpoint(
            f"invalid OTEL_EXPORTER_OTLP_TIMEOUT {timeout!r}; use a number of seconds"
        ) from None
    return Endpoint(
        urlunsplit(("https" if secure else "http", parts.netloc, path, parts.query, "")),
        grpc,
        _headers(),
        seconds,
        _env("COMPRESSION") == "gzip",
        _env("CERTIFICATE"),
        _env("CLIENT_CERTIFICATE"),
        _env("CLIENT_KEY"),
    )


def _env(name: str) -> str | None:
    for prefix in ("OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"):
        value = os.environ.get(prefix + name, "").strip()
        if value:
            return value
    return None


def _headers() -> dict[str, str]:
    headers = {}
    for variable in ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"):
        for pair in os.environ.get(variable, "").split(","):
            key, equals, value = pair.partition("=")
            if equals:
                headers[unquote(key.strip()).lower()] = unquote(value.strip())
    return headers
