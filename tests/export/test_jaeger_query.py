"""Traces out of a running Jaeger, new or old."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.export.delivery.endpoint import endpoint_for
from asyncctx_trace.export.delivery.sender import Sender
from asyncctx_trace.export.formats import jaeger, otlp_json
from asyncctx_trace.export.span import Span
from asyncctx_trace.importers.jaeger_query import Jaeger, JaegerError
from asyncctx_trace.importers.spans import facts_of
from asyncctx_trace.sources import open_source

from .builders import contention, recorded


class Server:
    """Answers as Jaeger's query service does, from the spans it was given."""

    def __init__(self, spans: list[Span], *, v3: bool, legacy: bool) -> None:
        self.spans, self.v3, self.legacy = spans, v3, legacy
        self.address = ""
        self.asked: list[str] = []

    def answer(self, target: str) -> tuple[int, str]:
        self.asked.append(target)
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path.startswith("/api/v3/") and self.v3:
            return self._v3(parts.path.removeprefix("/api/v3/"), query)
        if parts.path.startswith("/api/") and "v3" not in parts.path and self.legacy:
            return self._legacy(parts.path.removeprefix("/api/"), query)
        return 404, "404 page not found"

    def _v3(self, path: str, query: dict[str, str]) -> tuple[int, str]:
        if path == "services":
            return 200, json.dumps({"services": ["shop"]})
        found = self._trace(path.removeprefix("traces/"))
        if path == "traces":
            for name in ("query.startTimeMin", "query.startTimeMax"):
                if name not in query or not query[name].endswith("Z"):
                    return 400, json.dumps({"error": {"message": f"{name} is required"}})
            found = self.spans if query["query.serviceName"] == "shop" else []
        if not found:
            return 404, json.dumps({"error": {"httpCode": 404, "message": "No traces found"}})
        (line,) = otlp_json.write(found)
        return 200, json.dumps({"result": json.loads(line)})

    def _legacy(self, path: str, query: dict[str, str]) -> tuple[int, str]:
        if path == "services":
            return 200, json.dumps({"data": ["shop"], "errors": None})
        found = self._trace(path.removeprefix("traces/"))
        if path == "traces":
            found = self.spans if query["service"] == "shop" else []
            return 200, "".join(jaeger.write(found))
        if not found:
            return 404, json.dumps({"data": None, "errors": [{"msg": "trace not found"}]})
        return 200, "".join(jaeger.write(found))

    def _trace(self, trace: str) -> list[Span]:
        return [span for span in self.spans if f"{span.trace:032x}" == trace]


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = server.answer(self.path)
            self.send_response(status)
            self.send_header(
                "content-type", "application/json" if body[0] in "{[" else "text/plain"
            )
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.address = f"http://127.0.0.1:{http.server_port}"
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        http.shutdown()
        thread.join()


@pytest.fixture
def spans(tmp_path: Path) -> list[Span]:
    return list(open_source(recorded(tmp_path / "r.actx", contention)).spans())


@pytest.mark.parametrize(("v3", "legacy"), [(True, False), (False, True), (True, True)])
def test_a_trace_by_its_id(spans: list[Span], v3: bool, legacy: bool) -> None:
    """The same acquisitions, whichever of its two interfaces a Jaeger has."""
    with serving(Server(spans, v3=v3, legacy=legacy)) as server:
        found = Jaeger(server.address).trace(f"{spans[0].trace:X}")

    assert {span.id for span in found} == {span.id for span in spans}
    assert len(Timeline(facts_of(found))) == len(Timeline(facts_of(spans)))


@pytest.mark.parametrize(("v3", "legacy"), [(True, False), (False, True)])
def test_the_latest_of_a_service(spans: list[Span], v3: bool, legacy: bool) -> None:
    """Version 3 wants a time from and to, with nanoseconds."""
    with serving(Server(spans, v3=v3, legacy=legacy)) as server:
        found = Jaeger(server.address + "/").search("shop")

    assert len(found) == len(spans)


def test_what_is_not_there_is_said_in_one_line(spans: list[Span]) -> None:
    """With the services that are."""
    with serving(Server(spans, v3=True, legacy=True)) as server:
        asked = Jaeger(server.address)
        with pytest.raises(JaegerError, match=r"no trace of 'shopp' .* its services: shop"):
            asked.search("shopp")
        with pytest.raises(JaegerError, match="may have expired"):
            asked.trace("abc")
        with pytest.raises(JaegerError, match="32 hexadecimal digits"):
            asked.trace("worker-1")


def test_where_nobody_answers(spans: list[Span]) -> None:
    """A line that says which port is meant."""
    with serving(Server(spans, v3=True, legacy=True)) as server:
        pass

    with pytest.raises(JaegerError, match="check that Jaeger runs"):
        Jaeger(server.address).services()


LIVE = os.environ.get("ASYNCCTX_TEST_JAEGER")


@pytest.mark.skipif(LIVE is None, reason="no live Jaeger: set ASYNCCTX_TEST_JAEGER=http://…:16686")
def test_a_live_jaeger_takes_and_gives_it_back(spans: list[Span]) -> None:
    """Sent by OTLP to port 4318, fetched by its query interface."""
    assert LIVE is not None
    with Sender(endpoint_for(f"http://{urlsplit(LIVE).hostname}:4318")) as sender:
        for _ in sender.send(spans):
            pass
    assert sender.account.complete
    deadline = time.monotonic() + 30
    found: list[Span] = []
    while len(found) < len(spans) and time.monotonic() < deadline:
        with urllib.request.urlopen(LIVE):  # it is there; its storage may take a moment
            pass
        try:
            found = Jaeger(LIVE).trace(f"{spans[0].trace:032x}")
        except JaegerError:
            time.sleep(0.5)

    def key(span: Any) -> Any:
        return span.id, span.parent, span.name, span.start, span.end

    assert sorted(map(key, found)) == sorted(map(key, spans))
