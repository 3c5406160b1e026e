"""The OTLP endpoint that spans are sent to: from the command line or OTEL_EXPORTER_OTLP_*."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.model.urls import hide_secrets

__all__ = ["DEFAULT_URL", "InvalidEndpoint", "Endpoint", "endpoint_for", "is_address"]

DEFAULT_URL = "http://localhost:4318"
_PATH = "/v1/traces"
_GRPC_PORT = 4317
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}(/.*)?")


class InvalidEndpoint(AsyncctxTraceError):
    """The URL of the endpoint, or a variable that selects it, is invalid."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OTLP endpoint. Everything else is a setting of the SDK's exporter."""

    url: str
    """With the path for HTTP; ``http://host:port`` for gRPC, ``https`` for gRPC over TLS."""
    grpc: bool = False

    def __str__(self) -> str:
        return hide_secrets(self.url)


def endpoint_for(url: str | None = None, *, grpc: bool | None = None) -> Endpoint:
    """Return the endpoint ``url``; what is not passed is taken from the environment.

    ``OTEL_EXPORTER_OTLP_TRACES_*`` takes precedence over ``OTEL_EXPORTER_OTLP_*``.

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
    scheme = "https" if secure else "http"
    return Endpoint(urlunsplit((scheme, parts.netloc, path, parts.query, "")), grpc)


def is_address(text: str) -> bool:
    """Return whether ``text`` is a URL, or a host and a port as in ``collector:4317``."""
    return "://" in text or _ADDRESS.fullmatch(text) is not None


def _env(name: str) -> str | None:
    for prefix in ("OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"):
        value = os.environ.get(prefix + name, "").strip()
        if value:
            return value
    return None
