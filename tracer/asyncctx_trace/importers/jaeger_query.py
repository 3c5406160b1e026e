"""Asks a running Jaeger for its traces."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.importers import jaeger_json_reader
from asyncctx_trace.model.text import plain
from asyncctx_trace.spans import otlp_json_reader
from asyncctx_trace.spans.span import Span
from asyncctx_trace.spans.validation import MALFORMED, check_span

__all__ = ["Jaeger", "JaegerError"]

_TIMEOUT = 30.0


class JaegerError(AsyncctxTraceError):
    """Jaeger cannot be asked, or does not have what was asked for."""


class Jaeger:
    """The query API of a Jaeger at ``url``: version 3, or the older one where that is missing."""

    def __init__(self, url: str) -> None:
        """Raises JaegerError for what is no URL."""
        self.url = (url if "://" in url else f"http://{url}").rstrip("/")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise JaegerError(f"{url} is not a URL: use for example http://localhost:16686")

    def services(self) -> list[str]:
        """The names of the services it has spans of; raises JaegerError."""
        answer = self._get("/api/v3/services")
        if answer is None:
            answer = {"services": (self._get("/api/services") or {}).get("data")}
        return sorted(map(str, answer.get("services") or ()))

    def trace(self, trace: str) -> list[Span]:
        """The spans of the trace with the hexadecimal id ``trace``; raises JaegerError."""
        identity = trace.strip().lower().removeprefix("0x")
        try:
            identity = f"{int(identity, 16):032x}"
        except ValueError:
            raise JaegerError(f"invalid trace id {trace!r}; use 32 hexadecimal digits") from None
        found = self._spans(f"/api/v3/traces/{identity}", f"/api/traces/{identity}")
        if not found:
            raise JaegerError(f"{self.url} has no trace {identity}: it may have expired")
        return found

    def search(
        self, service: str, *, since: timedelta = timedelta(hours=1), limit: int = 20
    ) -> list[Span]:
        """The spans of the last ``limit`` traces of ``service``; raises JaegerError."""
        now = datetime.now(UTC)
        fields = {
            "service_name": service,
            "start_time_min": _rfc3339(now - since),
            "start_time_max": _rfc3339(now),
            "search_depth": str(limit),
        }
        # Newer versions call them in camel case, older ones only so.
        query = {f"query.{name}": value for name, value in fields.items()}
        query |= {f"query.{_camel(name)}": value for name, value in fields.items()}
        query["query.num_traces"] = str(limit)
        old = {
            "service": service,
            "start": str(int((now - since).timestamp() * 1e6)),
            "end": str(int(now.timestamp() * 1e6)),
            "limit": str(limit),
        }
        found = self._spans(
            f"/api/v3/traces?{urlencode(query, quote_via=quote)}", f"/api/traces?{urlencode(old)}"
        )
        if not found:
            known = ", ".join(self.services()) or "none"
            raise JaegerError(
                f"{self.url} has no trace of {service!r} in that time; its services: {known}"
            )
        return found

    def _spans(self, path: str, older: str) -> list[Span]:
        """An unknown trace is a 404 like an unknown path: then the older API is asked, too."""
        try:
            document = self._get(path)
            found = (
                []
                if document is None
                else list(map(check_span, otlp_json_reader.spans_in(document)))
            )
            if not found:
                document = self._get(older)
                found = (
                    []
                    if document is None
                    else list(map(check_span, jaeger_json_reader.spans_in(document)))
                )
        except MALFORMED as error:
            raise JaegerError(
                f"{self.url} sent an invalid answer "
                f"({type(error).__name__}: {plain(str(error))[:200]}): check that it is a Jaeger"
            ) from None
        return found

    def _get(self, path: str) -> Any:
        """The parsed answer; ``None`` for a 404, or a page that is no JSON (the UI itself)."""
        request = urllib.request.Request(self.url + path, headers={"accept": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
                if "json" not in answer.headers.get("content-type", "json"):
                    return None
                # The UI behind a catch-all path answers everything with its page.
                body = answer.read()
        except urllib.error.HTTPError as error:
            with error:  # it holds the connection until it is closed
                if error.code == 404:
                    return None
                said = _message(error.read())
            raise JaegerError(f"{self.url} answered {error.code} {error.reason}{said}") from None
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise JaegerError(
                f"cannot connect to {self.url} ({getattr(reason, 'strerror', None) or reason}): "
                "check that Jaeger runs and that this is its query port"
            ) from None
        try:
            return json.loads(body)
        except ValueError:
            raise JaegerError(f"the answer of {self.url} is not JSON") from None


def _rfc3339(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _message(body: bytes) -> str:
    try:
        document = json.loads(body)
        said = document.get("error", document.get("errors"))
        said = said[0] if isinstance(said, list) else said
        return f": {said.get('message') or said.get('msg')}"
    except (ValueError, AttributeError, IndexError, TypeError):
        return ""
