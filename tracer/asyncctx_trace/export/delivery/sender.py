"""Delivers spans to an OTLP endpoint, and accounts for each of them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from asyncctx_trace.export.delivery.endpoint import Endpoint
from asyncctx_trace.export.delivery.transports import NotDelivered, transport_to
from asyncctx_trace.spans.span import Span

__all__ = ["BATCH", "Account", "Sender"]

BATCH = 500
"""Spans in one request."""
_FIRST_PAUSE = 0.5
_EVENTS = 1000
"""Events of one span that are sent: a request has its limits, and a program may print a lot."""


@dataclass(slots=True)
class Account:
    """What has become of every span."""

    sent: int = 0
    """The server took them."""
    rejected: int = 0
    """The server took the request and refused these (OTLP's partial success)."""
    failed: int = 0
    """Not delivered: sending again, from the recording, is safe."""
    problems: dict[str, int] = field(default_factory=dict)
    """What went wrong, and how often."""

    @property
    def complete(self) -> bool:
        """Whether the server has every span."""
        return not self.rejected and not self.failed

    def problem(self, said: str) -> None:
        """Count something that went wrong."""
        self.problems[said] = self.problems.get(said, 0) + 1

    def __str__(self) -> str:
        return f"{self.sent} sent, {self.rejected} rejected, {self.failed} failed"


class Sender:
    """Sends spans in batches; tries again, ever more slowly, for ``patience`` seconds a batch."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        patience: float = 15.0,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises AsyncctxTraceError where a package is missing."""
        self.endpoint = endpoint
        self.account = Account()
        self._patience = patience
        self._sleep = sleep
        self._clock = clock
        self._send = transport_to(endpoint)

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self._send.close()

    def send(self, spans: Iterable[Span]) -> Iterator[Account]:
        """Send all of ``spans``; gives the account after every batch.

        Where nobody answers, the rest is counted as failed and not tried.
        """
        rest = iter(spans)
        for batch in _batches(rest):
            away = self._deliver(batch)
            yield self.account
            if away:
                self.account.failed += sum(1 for _ in rest)
                yield self.account

    def deliver(self, batch: list[Span], timeout: float | None = None) -> None:
        """Send one batch and count it as sent or rejected; raises NotDelivered, uncounted.

        ``timeout`` is in seconds; it may shorten that of the endpoint.
        """
        from asyncctx_trace.export.formats.otlp_protobuf import request

        timeout = self.endpoint.timeout if timeout is None else min(timeout, self.endpoint.timeout)
        rejected, said = self._send(request(map(_bounded, batch)), timeout)
        rejected = min(max(rejected, 0), len(batch))
        self.account.sent += len(batch) - rejected
        self.account.rejected += rejected
        if said or rejected:
            self.account.problem(f"the server says: {said or 'rejected'}")

    def _deliver(self, batch: list[Span]) -> bool:
        """Send one batch, whatever happens; whether nobody answers."""
        deadline = self._clock() + self._patience
        pause = _FIRST_PAUSE
        while True:
            try:
                self.deliver(batch)
                return False
            except NotDelivered as problem:
                # Clients that were turned away together do not come back together.
                wait = problem.after
                if wait is None:
                    wait = pause * random.uniform(0.5, 1.5)
                pause *= 2
                if not problem.again or self._clock() + wait > deadline:
                    self.account.failed += len(batch)
                    self.account.problem(str(problem))
                    return problem.away
            self._sleep(wait)


def _batches(spans: Iterator[Span]) -> Iterator[list[Span]]:
    while batch := list(islice(spans, BATCH)):
        yield batch


def _bounded(span: Span) -> Span:
    if len(span.events) <= _EVENTS:
        return span
    kept, dropped = span.events[:_EVENTS], len(span.events) - _EVENTS
    return replace(span, events=kept, dropped_events=span.dropped_events + dropped)
