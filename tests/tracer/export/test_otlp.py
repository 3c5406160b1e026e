"""Delivery to an OTLP endpoint: everything arrives, or is accounted for."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from asyncctx_trace import record
from asyncctx_trace.export.delivery.endpoint import Endpoint, InvalidEndpoint, endpoint_for
from asyncctx_trace.export.delivery.sender import Account, Sender
from asyncctx_trace.export.delivery.stream import OtlpStream
from asyncctx_trace.sources import open_source
from spans.recorded_programs import contention, leak, many, recorded

from . import otlp_receiver as otlp


class Clock:
    """A clock that advances only when the code under test sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def deliver(
    path: Path, endpoint: Endpoint, clock: Clock | None = None, retry_for: float = 15.0
) -> Account:
    """Send the recording ``path`` to ``endpoint``, and return the account."""
    clock = clock or Clock()
    with Sender(endpoint, retry_for=retry_for, sleep=clock.sleep, clock=clock) as sender:
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
    """After 503 with Retry-After in seconds and as a date, and after 429 without."""
    path = recorded(tmp_path / "r.actx", contention)
    clock = Clock()
    soon = datetime.now(UTC) + timedelta(seconds=5)

    with otlp.over_http() as receiver:
        receiver.faults += [
            otlp.status(503, retry_after="2"),
            otlp.status(429),
            otlp.status(503, retry_after=format_datetime(soon, usegmt=True)),
        ]
        account = deliver(path, endpoint_for(receiver.address), clock)

    assert account.complete
    assert account.sent == len(receiver.spans)
    assert clock.slept[0] == 2.0
    assert 3.0 < clock.slept[2] <= 5.0


def test_retries_end_at_the_time_limit(tmp_path: Path) -> None:
    """Pauses get longer; in the end the batch has failed, with the reason."""
    path = recorded(tmp_path / "r.actx", contention)
    clock = Clock()

    with otlp.over_http() as receiver:
        receiver.faults += [otlp.status(503)] * 100
        account = deliver(path, endpoint_for(receiver.address), clock, retry_for=30)

    assert (account.sent, account.rejected) == (0, 0)
    assert account.failed == sum(1 for _ in open_source(path).spans())
    assert "503" in next(iter(account.problems))
    assert sum(clock.slept) <= 30
    assert clock.slept[-1] > clock.slept[0]


@pytest.mark.parametrize("code", [400, 401, 404, 500])
def test_a_refusal_is_final(tmp_path: Path, code: int) -> None:
    """The batch is not sent again, but the next one is sent."""
    path = recorded(tmp_path / "r.actx", many(200))
    clock = Clock()

    with otlp.over_http() as receiver:
        receiver.faults.append(otlp.status(code))
        account = deliver(path, endpoint_for(receiver.address), clock)

    assert account.failed == 500
    assert account.sent == len(receiver.spans) > 0
    assert clock.slept == []
    assert str(code) in next(iter(account.problems))


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


@pytest.mark.parametrize("fault", [otlp.closes_mid_body, otlp.hangs(0.4)])
def test_a_batch_is_sent_again_after_an_incomplete_answer(
    tmp_path: Path, monkeypatch: Any, fault: otlp.Fault
) -> None:
    """Whether it closes too early or says nothing at all."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    path = recorded(tmp_path / "r.actx", contention)
    clock = Clock()

    with otlp.over_http() as receiver:
        receiver.faults.append(fault)
        account = deliver(path, endpoint_for(receiver.address), clock)

    assert account.complete
    assert len(clock.slept) == 1


def test_after_a_batch_without_an_answer_the_rest_is_not_sent(tmp_path: Path) -> None:
    """Both batches are counted as failed."""
    path = recorded(tmp_path / "r.actx", many(200))
    clock = Clock()
    account = deliver(path, endpoint_for(otlp.unused_address()), clock)

    assert account.sent == 0
    assert account.failed == sum(1 for _ in open_source(path).spans()) > 500
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
    """With metadata; a batch is sent again after UNAVAILABLE."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "tenant=7")
    path = recorded(tmp_path / "r.actx", contention)
    clock = Clock()

    with otlp.over_grpc(grpc.StatusCode.UNAVAILABLE) as receiver:
        account = deliver(path, endpoint_for(receiver.address), clock)

    assert account.complete
    assert account.sent == len(receiver.spans) > 0
    assert receiver.headers[0]["tenant"] == "7"
    assert len(clock.slept) == 1


def test_grpc_refusals_are_final(tmp_path: Path) -> None:
    """The batch is not sent again."""
    path = recorded(tmp_path / "r.actx", contention)

    with otlp.over_grpc(grpc.StatusCode.INVALID_ARGUMENT) as receiver:
        account = deliver(path, endpoint_for(receiver.address))

    assert account.failed > 0
    assert receiver.spans == []
    assert "INVALID_ARGUMENT: not now" in next(iter(account.problems))


def test_a_stream_sends_spans_while_the_recording_grows(tmp_path: Path) -> None:
    """At the end, each has arrived once."""
    path = tmp_path / "r.actx"
    with otlp.over_http() as receiver:
        with record(path):
            stream = OtlpStream(path, receiver.address)
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
        stream = OtlpStream(path, otlp.unused_address(), finish_within=0.1)
        stream.start()
        recorded_here(50)
    account = stream.finish()

    assert (account.sent, account.failed) == (0, sum(1 for _ in open_source(path).spans()))
    with otlp.over_http() as receiver:
        assert deliver(path, endpoint_for(receiver.address)).complete


def recorded_here(acquisitions: int) -> None:
    import asyncio

    asyncio.run(many(acquisitions)())
