"""Query a running Jaeger or Grafana Tempo for traces."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.importers import jaeger_json_reader
from asyncctx_trace.importers.http_get import MAX_ANSWER, get
from asyncctx_trace.model.text import plain
from asyncctx_trace.model.urls import hide_secrets
from asyncctx_trace.spans import otlp_json_reader
from asyncctx_trace.spans.span import Span
from asyncctx_trace.spans.span_validation import MALFORMED, check_span

__all__ = ["Jaeger", "JaegerError"]

_TIMEOUT = 30.0


class JaegerError(AsyncctxTraceError):
    """Jaeger does not answer, or does not have the trace or service."""


class Jaeger:
    """The query API of a Jaeger at ``url``: version 3, or the older one where that is missing.

    Grafana Tempo answers on the path of the older one, and has a search of its own.
    """

    def __init__(self, url: str) -> None:
        """Raises JaegerError for what is no URL.

        User and password in ``url`` are sent (basic authentication), and never repeated.
        """
        given = (url if "://" in url else f"http://{url}").rstrip("/")
        self.url = hide_secrets(given)
        """As it is shown."""
        try:
            parts = urlsplit(given)
            parts.port  # noqa: B018 - raises for what is no number
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise JaegerError(f"{self.url} is not a URL: use for example http://localhost:16686")
        host = parts.netloc.rpartition("@")[2]
        self._address = urlunsplit((parts.scheme, host, parts.path, "", ""))
        self._headers = {"accept": "application/json"}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"

    def services(self) -> list[str]:
        """Return the names of the services that it has spans of; raises JaegerError."""
        answer = self._get("/api/v3/services")
        try:
            if answer is None:
                answer = {"services": (self._get("/api/services") or {}).get("data")}
            if not answer.get("services"):
                tempo = self._get("/api/search/tag/service.name/values") or {}
                answer = {"services": tempo.get("tagValues")}
            return sorted(plain(str(name)) for name in answer.get("services") or ())
        except MALFORMED as error:
            raise self._invalid(error) from None

    def trace(self, trace: str) -> list[Span]:
        """Return the spans of the trace with the hexadecimal id ``trace``; raises JaegerError."""
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
        """Return the spans of the last ``limit`` traces of ``service``; raises JaegerError."""
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
        found = found or self._search_tempo(service, now - since, now, limit)
        if not found:
            known = ", ".join(self.services()) or "none"
            raise JaegerError(
                f"{self.url} has no trace of {service!r} in that time; its services: {known}"
            )
        return found

    def _search_tempo(
        self, service: str, since: datetime, until: datetime, limit: int
    ) -> list[Span]:
        """Return the same as :meth:`search`, from Tempo's search and each trace that it names."""
        query = {
            "tags": f"service.name={json.dumps(service)}",
            "start": str(int(since.timestamp())),
            "end": str(int(until.timestamp()) + 1),
            "limit": str(limit),
        }
        try:
            answer = self._get(f"/api/search?{urlencode(query, quote_via=quote)}") or {}
            traces = [str(trace["traceID"]) for trace in answer.get("traces") or ()][:limit]
        except MALFORMED as error:
            raise self._invalid(error) from None
        return [span for trace in traces for span in self.trace(trace)]

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
                    else list(map(check_span, _reader(document).spans_in(document)))
                )
        except MALFORMED as error:
            raise self._invalid(error) from None
        return found

    def _invalid(self, error: Exception) -> JaegerError:
        said = f"{type(error).__name__}: {_one_line(str(error))}"
        return JaegerError(
            f"{self.url} sent an invalid answer ({said}): check that it is a Jaeger or Tempo"
        )

    def _get(self, path: str) -> Any:
        """The parsed answer; ``None`` for a 404, or a page that is no JSON (the UI itself)."""
        try:
            answer = get(self._address + path, self._headers, _TIMEOUT)
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            said = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
            raise JaegerError(
                f"cannot connect to {self.url} ({_one_line(said)}): "
                "check that Jaeger runs and that this is its query port"
            ) from None
        if answer.status == 404:
            return None
        if answer.status != 200:
            reason = _one_line(answer.reason)
            raise JaegerError(
                f"{self.url} answered {answer.status} {reason}{_message(answer.body)}"
            )
        # The UI behind a catch-all path answers everything with its page.
        if "json" not in answer.content_type:
            return None
        if not answer.complete:
            raise JaegerError(
                f"the answer of {self.url} is larger than {MAX_ANSWER >> 20} MiB: "
                "download fewer traces with --limit, or one with --trace"
            )
        try:
            return json.loads(answer.body)
        except (RecursionError, ValueError):
            raise JaegerError(f"the answer of {self.url} is not JSON") from None


def _reader(document: Any) -> Any:
    """Return the module that reads an answer of the older API, which Tempo has as well."""
    tempo = isinstance(document, dict) and ("batches" in document or "trace" in document)
    return otlp_json_reader if tempo else jaeger_json_reader


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
        return f": {_one_line(str(said.get('message') or said.get('msg')))}"
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return ""


def _one_line(text: str) -> str:
    """The first line of what a server says, harmless for a terminal."""
    return plain(hide_secrets(text.strip().partition("\n")[0][:200]))
