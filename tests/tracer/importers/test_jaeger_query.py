"""Reading traces from a Jaeger with either version of its API."""

from __future__ import annotations

import json
import os
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.export.delivery.endpoint import endpoint_for
from asyncctx_trace.export.delivery.exporters import connect
from asyncctx_trace.export.delivery.sender import Sender
from asyncctx_trace.export.formats import otlp_json
from asyncctx_trace.importers import http_get, jaeger_query
from asyncctx_trace.importers.jaeger_query import Jaeger, JaegerError
from asyncctx_trace.sources import open_source
from asyncctx_trace.spans import otlp_json_reader
from asyncctx_trace.spans.span import Span
from asyncctx_trace.spans.to_events import events_of
from hostile_server import Endless, endpoint
from importers.jaeger_server import Server, serving
from spans.recorded_programs import contention, recorded


@pytest.fixture
def spans(tmp_path: Path) -> list[Span]:
    return list(open_source(recorded(tmp_path / "r.actx", contention)).spans())


@pytest.mark.parametrize(("v3", "legacy"), [(True, False), (False, True), (True, True)])
def test_a_trace_is_found_by_its_id(spans: list[Span], v3: bool, legacy: bool) -> None:
    """With either version of the API."""
    with serving(Server(spans, v3=v3, legacy=legacy)) as server:
        found = Jaeger(server.address).trace(f"{spans[0].trace:X}")

    assert {span.id for span in found} == {span.id for span in spans}
    assert len(Timeline(events_of(found))) == len(Timeline(events_of(spans)))


@pytest.mark.parametrize(("v3", "legacy"), [(True, False), (False, True)])
def test_the_latest_traces_are_found(spans: list[Span], v3: bool, legacy: bool) -> None:
    """Version 3 of the API requires a time range with nanoseconds."""
    with serving(Server(spans, v3=v3, legacy=legacy)) as server:
        found = Jaeger(server.address + "/").search("shop")

    assert len(found) == len(spans)


def test_a_trace_that_does_not_exist_is_an_error_in_one_line(spans: list[Span]) -> None:
    """It lists the services that exist."""
    with serving(Server(spans, v3=True, legacy=True)) as server:
        asked = Jaeger(server.address)
        with pytest.raises(JaegerError, match=r"no trace of 'shopp' .* its services: shop"):
            asked.search("shopp")
        with pytest.raises(JaegerError, match="may have expired"):
            asked.trace("abc")
        with pytest.raises(JaegerError, match="32 hexadecimal digits"):
            asked.trace("worker-1")


def test_a_server_that_does_not_answer_is_an_error_in_one_line(spans: list[Span]) -> None:
    """It says which port is meant."""
    with serving(Server(spans, v3=True, legacy=True)) as server:
        pass

    with pytest.raises(JaegerError, match="check that Jaeger runs"):
        Jaeger(server.address).services()


JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BODIES = {
    "null": b"null",
    "a number": b"7",
    "a list": b"[null, 5]",
    "another object": b'{"result":7}',
    "a deep list": b"[" * 10**6,
    "an endless time": b"""{"result":{"resourceSpans":[{"scopeSpans":[{"spans":[
        {"traceId":"ab","spanId":"cd","startTimeUnixNano":"1e999"}]}]}]}}""",
}
ANSWERS = {
    **{name: JSON + b"\r\n" + body for name, body in BODIES.items()},
    "half": JSON + b"Content-Length: 5000\r\n\r\n{",
    "a long header": JSON + b"X: " + b"a" * 10**6 + b"\r\n\r\n{}",
    "escapes": b"HTTP/1.1 500 N\x1b]0;pwn\x07o\r\n\r\n" + b'{"error":{"message":"\\u001b[31m"}}',
    "to a file": b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",
    "to FTP": b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/x\r\n\r\n",
    "garbage": b"\x00\xff\x16\x03garbage\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_whatever_a_server_answers_is_one_harmless_line(
    monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    """No traceback, no control character, no password."""
    monkeypatch.setattr(jaeger_query, "_TIMEOUT", 0.5)
    with endpoint([answer]) as url:
        asked = Jaeger(url.replace("//", "//bob:hunter2@"))
        for ask in (asked.services, partial(asked.trace, "ab"), partial(asked.search, "shop")):
            try:
                ask()
            except JaegerError as error:
                said = str(error)
            else:
                said = "no services"
            assert said.isprintable()
            assert "hunter2" not in said


@pytest.mark.parametrize(
    "answer",
    [Endless([JSON, b"X: y\r\n"]), Endless([JSON + b"\r\n", b" "])],
    ids=["headers", "a body"],
)
def test_an_answer_that_drips_ends_with_the_timeout(
    monkeypatch: pytest.MonkeyPatch, answer: list[bytes]
) -> None:
    """The timeout is one for the whole answer."""
    monkeypatch.setattr(jaeger_query, "_TIMEOUT", 0.3)
    with (
        endpoint(answer, pause=0.02) as url,
        pytest.raises(JaegerError, match="no complete answer"),
    ):
        Jaeger(url).services()


def test_an_endless_answer_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line says how to ask for less."""
    monkeypatch.setattr(http_get, "MAX_ANSWER", 1 << 20)
    with (
        endpoint(Endless([JSON + b"\r\n[", b"0," * 10**5])) as url,
        pytest.raises(JaegerError, match="download fewer traces with --limit"),
    ):
        Jaeger(url).services()


def test_a_tempo_is_queried_as_well(spans: list[Span]) -> None:
    """By trace and by service; its ids are in base64, its traces in batches."""
    with serving(Server(spans, tempo=True)) as server:
        tempo = Jaeger(server.address)
        found = tempo.trace(f"{spans[0].trace:x}")
        searched = tempo.search("shop")
        with pytest.raises(JaegerError, match=r"no trace of 'other'.*its services: shop"):
            tempo.search("other")

    def key(span: Span) -> tuple[object, ...]:
        return span.id, span.trace, span.parent, span.name, span.start, span.end

    assert sorted(map(key, found)) == sorted(map(key, searched)) == sorted(map(key, spans))


def test_a_file_of_tempos_api_is_read(spans: list[Span]) -> None:
    """What `curl TEMPO/api/traces/ID` and its version 2 write."""
    (line,) = otlp_json.write(spans)
    groups = json.loads(line)["resourceSpans"]
    for document in {"batches": groups}, {"trace": {"resourceSpans": groups}}:
        read = list(otlp_json_reader.parse(json.dumps(document, indent=1), "trace.json"))
        assert [span.id for span in read] == [span.id for span in spans]


def sent_and_fetched(spans: list[Span], otlp: str, query: str) -> list[Span]:
    """Send ``spans``, and return what a live back end has of them within half a minute."""
    with Sender(connect(endpoint_for(otlp))) as sender:
        for _ in sender.send(spans):
            pass
    assert sender.account.complete
    deadline = time.monotonic() + 30
    found: list[Span] = []
    while len(found) < len(spans) and time.monotonic() < deadline:
        try:
            found = Jaeger(query).trace(f"{spans[0].trace:032x}")
        except JaegerError:
            time.sleep(0.5)  # it is there; its storage may take a moment
    return found


TEMPO = os.environ.get("ASYNCCTX_TEST_TEMPO")
TEMPO_OTLP = os.environ.get("ASYNCCTX_TEST_TEMPO_OTLP") or (
    f"http://{urlsplit(TEMPO or '').hostname}:4318"
)


@pytest.mark.skipif(TEMPO is None, reason="no live Tempo: set ASYNCCTX_TEST_TEMPO=http://…:3200")
def test_a_live_tempo_returns_what_was_sent(spans: list[Span]) -> None:
    """Sent over OTLP, fetched from its API."""
    assert TEMPO is not None
    assert {span.id for span in sent_and_fetched(spans, TEMPO_OTLP, TEMPO)} == {
        span.id for span in spans
    }


LIVE = os.environ.get("ASYNCCTX_TEST_JAEGER")
LIVE_OTLP = os.environ.get("ASYNCCTX_TEST_JAEGER_OTLP") or (
    f"http://{urlsplit(LIVE or '').hostname}:4318"
)
"""Where it takes spans, if that is not its usual port."""


@pytest.mark.skipif(LIVE is None, reason="no live Jaeger: set ASYNCCTX_TEST_JAEGER=http://…:16686")
def test_a_live_jaeger_returns_what_was_sent(spans: list[Span]) -> None:
    """Sent over OTLP, fetched from its query API."""
    assert LIVE is not None
    found = sent_and_fetched(spans, LIVE_OTLP, LIVE)

    def key(span: Any) -> Any:
        return span.id, span.parent, span.name, span.start, span.end

    assert sorted(map(key, found)) == sorted(map(key, spans))
