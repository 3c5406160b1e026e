"""Flushing and shutting down keep their time limits while an exporter hangs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from asyncctx_trace import Telemetry, configure, traced
from asyncctx_trace.otel import worker
from asyncctx_trace.otel.sdk_patches.bounded_call import BoundedCall

from .test_spans import Manager

ACQUISITIONS = 600
"""More than fit into the provider's queue."""


class Hanging(SpanProcessor):
    """Takes spans, and does not return from a flush until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.spans: list[str] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span.name)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        self.released.wait()
        return True


class Backlog:
    """A provider whose exporter hangs, and acquisitions that wait for it."""

    def __init__(self) -> None:
        self.processor = Hanging()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(self.processor)
        self.telemetry: Telemetry = configure(tracer_provider=self.provider)
        asyncio.run(self._acquire())

    async def _acquire(self) -> None:
        manager = traced(Manager(), name="thing")
        for _ in range(ACQUISITIONS):
            async with manager:
                pass


@pytest.fixture
def backlog(monkeypatch: pytest.MonkeyPatch) -> Iterator[Backlog]:
    monkeypatch.setattr(worker, "_FLUSH_LIMIT", 0.01)
    backlog = Backlog()
    yield backlog
    backlog.processor.released.set()
    backlog.telemetry.close()


def test_a_flush_gives_up_and_loses_nothing(backlog: Backlog) -> None:
    """It returns false at its time limit; a later flush delivers everything."""
    assert backlog.provider.force_flush(10) is False

    backlog.processor.released.set()

    assert backlog.provider.force_flush() is True
    assert len(backlog.processor.spans) == 4 * ACQUISITIONS
    assert backlog.telemetry.dropped == 0


def test_a_shutdown_counts_what_was_not_delivered(backlog: Backlog, caplog: Any) -> None:
    """It takes the time of one flush, not of one flush for each part of the backlog."""
    backlog.provider.shutdown()

    assert backlog.telemetry.dropped > 0
    assert backlog.telemetry.emitted == 4 * (ACQUISITIONS - backlog.telemetry.dropped)
    assert f"{backlog.telemetry.dropped} acquisitions have no spans" in caplog.text
    backlog.processor.released.set()
    backlog.telemetry.flush()
    assert backlog.telemetry.emitted == 4 * (ACQUISITIONS - backlog.telemetry.dropped)


def test_closing_counts_what_was_not_delivered(backlog: Backlog) -> None:
    """So does the end of the program, which closes telemetry."""
    backlog.telemetry.close()

    assert backlog.telemetry.dropped > 0
    assert "force_flush" not in vars(backlog.provider)


def test_a_call_that_exceeds_its_limit_is_not_repeated_in_parallel() -> None:
    """The next call waits for it, so threads do not pile up."""
    released, calls = threading.Event(), []

    def wait(number: int) -> int:
        calls.append(number)
        released.wait()
        return number

    call = BoundedCall(wait)

    assert call(0.01, 1) == (False, None)
    assert call(0.01, 2) == (False, None)
    assert calls == [1]
    released.set()
    assert call(60.0, 3) == (True, 3)
    assert call(None, 4) == (True, 4)


def test_an_error_of_a_bounded_call_reaches_the_caller() -> None:
    """As it would without a limit."""

    def fail() -> None:
        raise ValueError("no exporter")

    with pytest.raises(ValueError, match="no exporter"):
        BoundedCall(fail)(60.0)
