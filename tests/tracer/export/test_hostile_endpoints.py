"""For any answer of an endpoint, each request ends in time and each span is counted."""

from __future__ import annotations

import threading
import zlib
from pathlib import Path

import pytest

from asyncctx_trace.export.delivery.endpoint import InvalidEndpoint, endpoint_for
from asyncctx_trace.export.delivery.exporters import connect
from asyncctx_trace.export.delivery.sender import DeliveryFailed, Sender
from asyncctx_trace.export.delivery.stream import SpanStream
from asyncctx_trace.model.urls import hide_secrets
from asyncctx_trace.sources import open_source
from asyncctx_trace.spans.span import Span
from hostile_server import Endless, endpoint
from recording.builders import LOCK, define_names, recorder
from spans.recorded_programs import contention, many, recorded

PROTOBUF = b"Content-Type: application/x-protobuf\r\n"
OK = b"HTTP/1.1 200 OK\r\n" + PROTOBUF
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n"


def compressed_gigabyte() -> bytes:
    """A GiB of zeros in about a MB of gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    chunk = bytes(1 << 20)
    return b"".join(packer.compress(chunk) for _ in range(1024)) + packer.flush()


def delivery_to(url: str, path: Path, timeout: float = 0.5) -> DeliveryFailed:
    """How sending the spans of the recording ``path`` to ``url`` fails."""
    sender = Sender(connect(endpoint_for(url), timeout))
    with sender, pytest.raises(DeliveryFailed) as failed:
        sender.deliver(list(open_source(path).spans()))
    assert str(failed.value).isprintable()
    return failed.value


def stream_to(path: Path, url: str, finish_within: float) -> SpanStream:
    """Return a stream of the recording ``path`` to ``url``."""
    connection = connect(endpoint_for(url), finish_within)
    return SpanStream(path, connection, finish_within=finish_within)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """The recording of a small program."""
    return recorded(tmp_path / "r.actx", contention)


@pytest.mark.parametrize(
    "answer",
    [
        Endless([OK + b"Content-Length: 100000\r\n\r\n", b" "]),
        Endless([OK, b"X: y\r\n"]),
        Endless([b"H"]),
        Endless([b""]),
    ],
    ids=["a body", "headers", "a status line", "nothing"],
)
def test_an_answer_that_drips_ends_with_the_timeout(recording: Path, answer: list[bytes]) -> None:
    """The timeout is one for the whole request, not one for each byte."""
    with endpoint(answer, pause=0.02) as url:
        failed = delivery_to(url, recording)

    assert (failed.retryable, failed.reached) == (True, False)
    assert "no answer from" in str(failed)


@pytest.mark.parametrize(
    "answer",
    [
        Endless([OK + b"\r\n", bytes(1 << 20)]),
        [OK + b"Content-Encoding: gzip\r\n\r\n", compressed_gigabyte()],
        [OK + b"Content-Length: 10000000000\r\n\r\n", bytes(1 << 20)],
    ],
    ids=["an endless body", "a gzip bomb", "a long body"],
)
def test_no_more_of_an_answer_is_read_than_a_valid_one_has(
    recording: Path, answer: list[bytes]
) -> None:
    """Neither received nor unpacked."""
    with endpoint(answer) as url:
        failed = delivery_to(url, recording, timeout=30)

    assert "sent an answer of more than 64 KiB" in str(failed)


@pytest.mark.parametrize(
    "answer",
    [
        b"\x00\xff\x16\x03garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n{}",
        b"HTTP/1.1 500 N\x1b]0;pwn\x07o\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
        b"",
    ],
    ids=["garbage", "a long header", "many headers", "chunks", "escapes", "redirect", "closes"],
)
def test_what_is_no_answer_of_a_collector_is_one_harmless_line(
    recording: Path, answer: bytes
) -> None:
    """No exception of a library comes through, and no control character."""
    with endpoint([answer]) as url:
        delivery_to(url, recording)


@pytest.mark.parametrize(
    "value",
    ["3600", "9" * 400, "²", "-1", "nan", "1e999", "Thu, 01 Jan 2026 00:00:00 -0000",
     "Thu, 99 Foo 2026 99:99:99 GMT", "Thu, 01 Jan 9999 00:00:00 GMT",
     f"Thu, 01 Jan {'9' * 30} 00:00:00 GMT"],
)  # fmt: skip
def test_a_retry_after_of_any_shape_ends_within_the_timeout(recording: Path, value: str) -> None:
    """Dates with and without a zone, numbers of any length, and nonsense."""
    header = f"Retry-After: {value}\r\n\r\n".encode("latin-1")
    with endpoint([BUSY + header]) as url:
        failed = delivery_to(url, recording, timeout=0.1)

    assert "answered 503" in str(failed) or "no answer from" in str(failed)


@pytest.mark.parametrize(
    "answer",
    [
        [BUSY + b"Retry-After: \xb2\r\n\r\n"],
        [BUSY + b"Retry-After: 0\r\n\r\n"],
        Endless([OK, b"X: y\r\n"]),
        [b""],
    ],
    ids=["nonsense", "at once", "dripping", "closing"],
)
def test_a_stream_counts_every_span_within_one_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: list[bytes]
) -> None:
    """However many batches are left when the program ends."""
    uncaught: list[object] = []
    monkeypatch.setattr(threading, "excepthook", uncaught.append)
    path = recorded(tmp_path / "r.actx", many(1000))
    expected = sum(1 for _ in open_source(path).spans())

    with endpoint(answer, pause=0.02) as url:
        stream = stream_to(path, url, 1.0)
        stream.start()
        account = stream.finish()

    assert (account.sent, account.rejected, account.failed) == (0, 0, expected)
    assert account.problems
    assert not uncaught


def test_what_is_recorded_while_a_request_is_under_way_is_counted_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The endpoint takes the first spans, and answers nothing until the program has ended."""
    sending = threading.Event()
    deliver = Sender.deliver

    def observed(sender: Sender, batch: list[Span]) -> None:
        sending.set()
        deliver(sender, batch)

    monkeypatch.setattr(Sender, "deliver", observed)
    program = recorder(tmp_path / "r.actx")
    define_names(program)

    def acquire(numbers: range) -> None:
        for number in numbers:
            program.enter_started(number, number, 0, 1, 1, LOCK, 1)
            program.enter_ended(number, number, 1, None)
            program.exit_started(number, number, 1, 1, None)
            program.exit_ended(number, number, 1, False, None)

    with endpoint(Endless([b""]), pause=0.02) as url:
        stream = stream_to(program.path, url, 0.5)
        acquire(range(1, 100))
        stream.start()
        assert sending.wait(30)
        acquire(range(100, 2000))
        program.close()
        account = stream.finish()

    expected = sum(1 for _ in open_source(program.path).spans())
    assert (account.sent, account.failed) == (0, expected)


def test_a_stream_whose_recording_is_no_recording_says_so(tmp_path: Path) -> None:
    """And its thread ends as any other."""
    path = tmp_path / "r.actx"
    path.write_text("nothing")
    stream = stream_to(path, "http://127.0.0.1:9", 0.1)
    stream.start()

    [problem] = stream.finish().problems
    assert "spans are missing" in problem


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://bob:hunter2@host:4318/x?key=hunter2", "http://***@host:4318/x?***"),
        (
            "no connection to https://a:hunter2@b/ (refused)",
            "no connection to https://***@b/ (refused)",
        ),
        ("http://host/x", "http://host/x"),
    ],
)
def test_passwords_in_urls_are_not_repeated(url: str, shown: str) -> None:
    """Nor are queries, which may be keys."""
    assert hide_secrets(url) == shown


def test_no_message_about_an_endpoint_repeats_its_password(recording: Path) -> None:
    """Whether it is refused at once or does not answer."""
    with endpoint([b""]) as url:
        failed = delivery_to(url.replace("//", "//bob:hunter2@"), recording)
    with pytest.raises(InvalidEndpoint) as refused:
        endpoint_for("ftp://bob:hunter2@host")

    assert "hunter2" not in f"{failed} {refused.value}"
