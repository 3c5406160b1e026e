"""Deliver spans to an OTLP endpoint, and count what became of each."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from asyncctx_trace.export.delivery.endpoint import Endpoint
from asyncctx_trace.export.delivery.transports import DeliveryFailed, transport_to
from asyncctx_trace.spans.span import Span

__all__ = ["BATCH", "Account", "Sender"]

BATCH = 500
"""Spans in one request."""
_FIRST_PAUSE = 0.5
_EVENTS = 1000
"""Events of one span that are sent: a program may print a lot, and requests are limited."""


@dataclass(slots=True)
class Account:
    """What became of the spans."""

    sent: int = 0
    """Spans that the server has accepted."""
    rejected: int = 0
    """Spans that the server rejected in a request that it accepted (OTLP's partial success)."""
    failed: int = 0
    """Spans that were not delivered; it is safe to send the recording again."""
    problems: dict[str, int] = field(default_factory=dict)
    """What went wrong -> how often."""

    @property
    def complete(self) -> bool:
        """Whether the server has every span."""
        return not self.rejected and not self.failed

    def add_problem(self, message: str) -> None:
        """Count a problem."""
        self.problems[message] = self.problems.get(message, 0) + 1

    def __str__(self) -> str:
        return f"{self.sent} sent, {self.rejected} rejected, {self.failed} failed"


class Sender:
    """Sends spans in batches; a batch that fails is sent again, with growing pauses."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        retry_for: float = 15.0,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect to ``endpoint``; a batch is retried for up to ``retry_for`` seconds.

        Raises:
            AsyncctxTraceError: A package is missing.
        """
        self.endpoint = endpoint
        self.account = Account()
        self._retry_for = retry_for
        self._sleep = sleep
        self._clock = clock
        self._send = transport_to(endpoint)

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self._send.close()

    def send(self, spans: Iterable[Span]) -> Iterator[Account]:
        """Send ``spans``; yield the account after every batch.

        If the server is unreachable, the rest is counted as failed without being sent.
        """
        rest = iter(spans)
        for batch in _batches(rest):
            unreachable = self._deliver(batch)
            yield self.account
            if unreachable:
                self.account.failed += sum(1 for _ in rest)
                yield self.account

    def deliver(self, batch: list[Span], timeout: float | None = None) -> None:
        """Send one batch, and count its spans as sent or rejected.

        ``timeout`` is in seconds; it may shorten that of the endpoint.

        Raises:
            DeliveryFailed: The spans are not counted.
        """
        from asyncctx_trace.export.formats.otlp_protobuf import request

        timeout = self.endpoint.timeout if timeout is None else min(timeout, self.endpoint.timeout)
        rejected, message = self._send(request(map(_bounded, batch)), timeout)
        rejected = min(max(rejected, 0), len(batch))
        self.account.sent += len(batch) - rejected
        self.account.rejected += rejected
        if message or rejected:
            self.account.add_problem(f"the server says: {message or 'rejected'}")

    def _deliver(self, batch: list[Span]) -> bool:
        """Send one batch with retries; return whether the server is unreachable."""
        deadline = self._clock() + self._retry_for
        pause = _FIRST_PAUSE
        while True:
            try:
                self.deliver(batch)
            except DeliveryFailed as problem:
                # A random pause, so that clients do not all retry at the same time.
                wait = problem.retry_after
                if wait is None:
                    wait = pause * random.uniform(0.5, 1.5)
                pause *= 2
                if not problem.retryable or self._clock() + wait > deadline:
                    self.account.failed += len(batch)
                    self.account.add_problem(str(problem))
                    return problem.unreachable
            else:
                return False
            self._sleep(wait)


def _batches(spans: Iterator[Span]) -> Iterator[list[Span]]:
    while batch := list(islice(spans, BATCH)):
        yield batch


def _bounded(span: Span) -> Span:
    if len(span.events) <= _EVENTS:
        return span
    kept, dropped = span.events[:_EVENTS], len(span.events) - _EVENTS
    return replace(span, events=kept, dropped_events=span.dropped_events + dropped)
