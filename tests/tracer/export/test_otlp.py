"""Delivery to an OTLP endpoint: everything arrives, or is accounted for."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from asyncctx_trace import record
from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.export.delivery import exporters
from asyncctx_trace.export.delivery.answers import Answer
from asyncctx_trace.export.delivery.endpoint import Endpoint, InvalidEndpoint, endpoint_for
from asyncctx_trace.export.delivery.exporters import Connection, connect, connect_by_name
from asyncctx_trace.export.delivery.sender import Account, Sender
from asyncctx_trace.export.delivery.stream import SpanStream
from asyncctx_trace.sources import open_source
from spans.recorded_programs import contention, leak, many, recorded

from . import otlp_receiver as otlp


def deliver(path: Path, endpoint: Endpoint, timeout: float | None = None) -> Account:
    """Send the recording ``path`` to ``endpoint``, and return the account."""
    with Sender(connect(endpoint, timeout)) as sender:
        for _ in sender.send(open_source(path).spans()):
            pass
    return sender.account


def test_a_recording_arrives_completely(tmp_path: Path) -> None:
    """With names, ids, times, attributes, events, links and status."""
    path = recorded(tmp_path / "r.actx", contention)
    meant = {span.id: span for span in open_source(path).spans()}

    with otlp.over_http() as receiver:
        account = deliver(path, endpoint_for(receiver.address))

    assert (account.sent, account.complete) == (len(meant), True)
    assert len(receiver.spans) == len(meant)
    for span in receiver.spans:
        ours = meant[int.from_bytes(span.span_id)]
        assert (span.name, span.start_time_unix_nano, span.end_time_unix_nano) == (
            ours.name,
            ours.start,
            ours.end,
        )
        assert int.from_bytes(span.trace_id) == ours.trace
        assert span.parent_span_id == (ours.parent.to_bytes(8) if ours.parent else b"")
        assert set(otlp.attributes(span)) == set(ours.attributes)
        assert [event.name for event in span.events] == [event.name for event in ours.events]
        assert [int.from_bytes(k.span_id) for k in span.links] == [k.span for k in ours.links]
        assert (span.status.code == span.status.STATUS_CODE_ERROR) == (ours.error is not None)
    assert receiver.resources[0]["process.pid"] > 0
    assert receiver.resources[0]["service.name"]


def test_an_export_can_be_repeated(tmp_path: Path) -> None:
    """Ids are the same each time, so the server has each span once."""
    path = recorded(tmp_path / "r.actx", contention)
    before = path.read_bytes()

    with otlp.over_http() as receiver:
        deliver(path, endpoint_for(receiver.address))
        deliver(path, endpoint_for(receiver.address))

    times = Counter((span.trace_id, span.span_id) for span in receiver.spans)
    assert set(times.values()) == {2}
    assert path.read_bytes() == before


def test_spans_are_sent_in_batches(tmp_path: Path) -> None:
    """There are four spans for each acquisition, one for the task, one for the process."""
    path = recorded(tmp_path / "r.actx", many(1000))

    with otlp.over_http() as receiver:
        account = deliver(path, endpoint_for(receiver.address))

    assert account.sent == len(receiver.spans)
    names = Counter(span.name for span in receiver.spans)
    assert [names[name] for name in ("enter", "body", "exit", "async with lock")] == [1000] * 4
    assert len(receiver.requests) == -(-account.sent // 500)


def test_a_leak_is_marked_as_unfinished(tmp_path: Path) -> None:
    """Its spans end with the recording."""
    path = recorded(tmp_path / "r.actx", leak)

    with otlp.over_http() as receiver:
        deliver(path, endpoint_for(receiver.address))

    (whole,) = [span for span in receiver.spans if span.name == "async with forgotten"]
    assert otlp.attributes(whole)["asyncctx.unfinished"] is True
    assert "asyncctx.outcome" not in otlp.attributes(whole)


def test_a_busy_server_gets_the_batch_again(tmp_path: Path) -> None:
    """After 503 and 429 with Retry-After in seconds and as a date that has passed."""
    path = recorded(tmp_path / "r.actx", contention)

    with otlp.over_http() as receiver:
        receiver.faults += [
            otlp.status(503, retry_after="0"),
            otlp.status(429, retry_after="0.01"),
            otlp.status(503, retry_after="Thu, 01 Jan 2026 00:00:00 GMT"),
        ]
        account = deliver(path, endpoint_for(receiver.address))

    assert account.complete
    assert account.sent == len(receiver.spans)


@pytest.mark.parametrize("after", ["3600", "Thu, 01 Jan 9999 00:00:00 GMT"])
def test_a_server_that_is_busy_for_too_long_has_failed(tmp_path: Path, after: str) -> None:
    """Nobody waits for an hour; the reason is that of the last attempt."""
    path = recorded(tmp_path / "r.actx", contention)

    with otlp.over_http() as receiver:
        receiver.faults.append(otlp.status(503, retry_after=after))
        account = deliver(path, endpoint_for(receiver.address))

    assert (account.sent, account.rejected) == (0, 0)
    assert account.failed == sum(1 for _ in open_source(path).spans())
    assert "answered 503" in next(iter(account.problems))


@pytest.mark.parametrize("code", [302, 400, 401, 404, 500])
def test_a_refusal_is_final(tmp_path: Path, code: int) -> None:
    """The batch is not sent again, but the next one is sent."""
    path = recorded(tmp_path / "r.actx", many(200))

    with otlp.over_http() as receiver:
        receiver.faults.append(otlp.status(code))
        account = deliver(path, endpoint_for(receiver.address))

    assert account.failed == 500
    assert account.sent == len(receiver.spans) > 0
    assert str(code) in next(iter(account.problems))


def test_after_three_refusals_in_a_row_the_rest_is_not_tried(tmp_path: Path) -> None:
    """A wrong password does not become right by repeating it."""
    path = recorded(tmp_path / "r.actx", many(600))
    spans = sum(1 for _ in open_source(path).spans())

    with otlp.over_http() as receiver:
        receiver.faults += [otlp.status(401)] * 10
        account = deliver(path, endpoint_for(receiver.address))

    assert (account.sent, account.failed, account.not_tried) == (0, 1500, spans - 1500)
    assert len(receiver.headers) == 3
    assert str(account).endswith(f"1500 failed, {spans - 1500} not tried")


def test_rejected_spans_are_counted(tmp_path: Path) -> None:
    """They are neither sent nor failed."""
    path = recorded(tmp_path / "r.actx", contention)
    spans = sum(1 for _ in open_source(path).spans())

    with otlp.over_http() as receiver:
        receiver.faults.append(otlp.partial_success(3, "too old"))
        account = deliver(path, endpoint_for(receiver.address))

    assert (account.sent, account.rejected, account.failed) == (spans - 3, 3, 0)
    assert not account.complete
    assert list(account.problems) == ["the server says: too old"]


def test_a_batch_is_sent_again_after_an_incomplete_answer(tmp_path: Path) -> None:
    """The server closes the connection too early."""
    path = recorded(tmp_path / "r.actx", contention)

    with otlp.over_http() as receiver:
        receiver.faults.append(otlp.closes_mid_body)
        account = deliver(path, endpoint_for(receiver.address))

    assert account.complete


def test_a_server_that_hangs_has_failed_when_the_time_is_over(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """The time is one for all attempts, from the variable of the SDK."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    path = recorded(tmp_path / "r.actx", contention)

    with otlp.over_http() as receiver:
        receiver.faults.append(otlp.hangs(0.4))
        account = deliver(path, endpoint_for(receiver.address))

    assert account.sent == 0
    assert "within 0.2 s" in next(iter(account.problems))


def test_after_a_batch_without_an_answer_the_rest_is_not_tried(tmp_path: Path) -> None:
    """The first batch has failed."""
    path = recorded(tmp_path / "r.actx", many(200))
    account = deliver(path, endpoint_for(otlp.unused_address()), 0.1)

    spans = sum(1 for _ in open_source(path).spans())
    assert (account.sent, account.failed, account.not_tried) == (0, 500, spans - 500)
    assert list(account.problems.values()) == [1]
    assert "Connection refused" in next(iter(account.problems))


def test_headers_and_compression_of_the_environment(tmp_path: Path, monkeypatch: Any) -> None:
    """As for other exporters."""
    path = recorded(tmp_path / "r.actx", contention)
    with otlp.over_http() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.address)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b,tenant=7")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
        account = deliver(path, endpoint_for())

    assert account.complete
    assert receiver.headers[0]["api-key"] == "a b"
    assert receiver.headers[0]["tenant"] == "7"
    assert receiver.headers[0]["content-encoding"] == "gzip"
    assert receiver.resources[0]["service.name"] == "shop"


@pytest.mark.parametrize(
    ("given", "environment", "url", "over_grpc"),
    [
        (None, {}, "http://localhost:4318/v1/traces", False),
        ("http://h:4318", {}, "http://h:4318/v1/traces", False),
        ("http://h/otlp/", {}, "http://h/otlp/v1/traces", False),
        ("https://h/v1/traces", {}, "https://h/v1/traces", False),
        ("h:4318", {}, "http://h:4318/v1/traces", False),
        ("http://h:4317", {}, "http://h:4317", True),
        ("grpcs://h:443", {}, "https://h:443", True),
        (None, {"ENDPOINT": "http://c:1"}, "http://c:1/v1/traces", False),
        (None, {"TRACES_ENDPOINT": "http://c:1/x"}, "http://c:1/x", False),
        (None, {"ENDPOINT": "http://c:1", "PROTOCOL": "grpc"}, "http://c:1", True),
    ],
)
def test_endpoints(
    monkeypatch: Any, given: str | None, environment: dict[str, str], url: str, over_grpc: bool
) -> None:
    """What users write, and the URL that follows from it."""
    for name, value in environment.items():
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
    endpoint = endpoint_for(given)

    assert (endpoint.url, endpoint.grpc) == (url, over_grpc)


@pytest.mark.parametrize("given", ["ftp://h", "http://", "http://h:port"])
def test_an_invalid_endpoint_is_refused(given: str) -> None:
    """The error has an example."""
    with pytest.raises(InvalidEndpoint, match="use for example http://localhost:4318"):
        endpoint_for(given)


def test_spans_are_sent_over_grpc(tmp_path: Path, monkeypatch: Any) -> None:
    """With metadata; what the endpoint rejects is known although the exporter discards it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "tenant=7")
    path = recorded(tmp_path / "r.actx", contention)

    with otlp.over_grpc(rejected=2) as receiver:
        account = deliver(path, endpoint_for(receiver.address))

    spans = sum(1 for _ in open_source(path).spans())
    assert (account.sent, account.rejected, account.failed) == (spans - 2, 2, 0)
    assert len(receiver.spans) == spans
    assert receiver.headers[0]["tenant"] == "7"
    assert list(account.problems) == ["the server says: too old"]


def test_grpc_refusals_are_final(tmp_path: Path) -> None:
    """The batch is not sent again."""
    path = recorded(tmp_path / "r.actx", contention)

    with otlp.over_grpc(grpc.StatusCode.INVALID_ARGUMENT) as receiver:
        account = deliver(path, endpoint_for(receiver.address))

    assert account.failed > 0
    assert receiver.spans == []
    assert "INVALID_ARGUMENT: not now" in next(iter(account.problems))


class Failing(SpanExporter):
    """An exporter of somebody else."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        logging.getLogger("opentelemetry.exporter.zipkin").error("no room at %s", "zipkin:9411")
        return SpanExportResult.FAILURE


def test_any_exporter_of_the_sdk_can_be_used(tmp_path: Path) -> None:
    """By the name under which it is installed; the spans are those of the recording."""
    path = recorded(tmp_path / "r.actx", contention)
    meant = {f"0x{span.id:016x}": span for span in open_source(path).spans()}

    done = subprocess.run(
        [sys.executable, "-m", "asyncctx_trace_tui", "export", path, "--exporter", "console"],
        capture_output=True,
        text=True,
        check=True,
    )

    said, rest = done.stdout, json.JSONDecoder()
    assert done.stderr == f"console: {len(meant)} sent, 0 rejected, 0 failed\n"
    while said := said.lstrip():
        span, end = rest.raw_decode(said)
        said = said[end:]
        ours = meant.pop(span["context"]["span_id"])
        assert (span["name"], set(span["attributes"])) == (ours.name, set(ours.attributes))
    assert not meant


def test_the_reason_of_any_exporter_is_what_it_logs(tmp_path: Path, caplog: Any) -> None:
    """It returns nothing but that it failed; the log is not printed beside the account."""
    path = recorded(tmp_path / "r.actx", many(600))

    with Sender(Connection(Failing(), Answer())) as sender:
        for _ in sender.send(open_source(path).spans()):
            pass

    assert sender.account.problems == {"no room at zipkin:9411": 3}
    assert (sender.account.failed, sender.account.not_tried > 0) == (1500, True)
    assert not caplog.records


def test_an_unknown_exporter_is_refused_with_the_names_of_those_there_are() -> None:
    """Whatever is installed here, the SDK brings one."""
    with pytest.raises(AsyncctxTraceError, match=r"no exporter 'zipkn' is installed;.*console"):
        connect_by_name("zipkn")


def test_the_credential_provider_of_the_sdk_is_asked(tmp_path: Path, monkeypatch: Any) -> None:
    """Its session is used, with its headers, and still bounded."""
    session = requests.Session()
    session.headers["authorization"] = "Bearer t0ken"

    class Provider:
        def load(self) -> Any:
            return lambda: session

    monkeypatch.setenv("OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER", "ours")
    monkeypatch.setattr(exporters, "entry_points", lambda **_: [Provider()])
    path = recorded(tmp_path / "r.actx", contention)

    with otlp.over_http() as receiver:
        receiver.faults.append(otlp.partial_success(1, "too old"))
        account = deliver(path, endpoint_for(receiver.address))

    assert receiver.headers[0]["authorization"] == "Bearer t0ken"
    assert account.rejected == 1


def stream_to(path: Path, url: str, finish_within: float = 5.0) -> SpanStream:
    """Return a stream of the recording ``path`` to ``url``."""
    connection = connect(endpoint_for(url), finish_within)
    return SpanStream(path, connection, finish_within=finish_within)


def test_a_stream_sends_spans_while_the_recording_grows(tmp_path: Path) -> None:
    """At the end, each has arrived once."""
    path = tmp_path / "r.actx"
    with otlp.over_http() as receiver:
        with record(path):
            stream = stream_to(path, receiver.address)
            stream.start()
            recorded_here(200)
        account = stream.finish()

    assert account.complete
    ids = Counter(span.span_id for span in receiver.spans)
    assert set(ids.values()) == {1}
    assert {int.from_bytes(i) for i in ids} == {span.id for span in open_source(path).spans()}


def test_a_stream_without_an_endpoint_counts_all_spans(tmp_path: Path) -> None:
    """The recording is complete, and they can be sent later."""
    path = tmp_path / "r.actx"
    with record(path):
        stream = stream_to(path, otlp.unused_address(), 0.1)
        stream.start()
        recorded_here(50)
    account = stream.finish()

    assert (account.sent, account.failed) == (0, sum(1 for _ in open_source(path).spans()))
    with otlp.over_http() as receiver:
        assert deliver(path, endpoint_for(receiver.address)).complete


def recorded_here(acquisitions: int) -> None:
    import asyncio

    asyncio.run(many(acquisitions)())
