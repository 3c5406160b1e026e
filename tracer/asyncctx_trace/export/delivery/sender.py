"""Deliver spans by an exporter of OpenTelemetry's SDK, and count what became of each."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from opentelemetry.sdk.trace.export import SpanExportResult

from asyncctx_trace.export.delivery.answers import one_line
from asyncctx_trace.export.delivery.exporters import Connection
from asyncctx_trace.export.delivery.readable_spans import ReadableSpans
from asyncctx_trace.spans.span import Span

__all__ = ["BATCH", "Account", "DeliveryFailed", "Sender"]

BATCH = 500
"""Spans in one request."""
_MAX_FAILURES = 3
"""After so many failures in a row, the rest is not tried."""


@dataclass(slots=True)
class Account:
    """What became of the spans."""

    sent: int = 0
    """Spans that the exporter has delivered."""
    rejected: int = 0
    """Spans that the server rejected in a request that it accepted (OTLP's partial success)."""
    failed: int = 0
    """Spans that were not delivered; it is safe to send the recording again."""
    not_tried: int = 0
    """Spans that were not sent at all, because those before them had failed."""
    problems: dict[str, int] = field(default_factory=dict)
    """What went wrong -> how often."""

    @property
    def complete(self) -> bool:
        """Whether the server has every span."""
        return not self.rejected and not self.undelivered

    @property
    def undelivered(self) -> int:
        """How many spans another attempt may deliver."""
        return self.failed + self.not_tried

    def add_problem(self, message: str) -> None:
        """Count a problem."""
        self.problems[message] = self.problems.get(message, 0) + 1

    def __str__(self) -> str:
        said = f"{self.sent} sent, {self.rejected} rejected, {self.failed} failed"
        return f"{said}, {self.not_tried} not tried" if self.not_tried else said


class DeliveryFailed(Exception):
    """A batch was not delivered."""

    def __init__(self, message: str, *, retryable: bool, reached: bool) -> None:
        super().__init__(message)
        self.retryable = retryable
        """Whether the batch may be delivered later; not known of every exporter."""
        self.reached = reached
        """Whether the endpoint answered at all."""


class Sender:
    """Sends spans in batches. How, and how often again, is the matter of the exporter."""

    def __init__(self, connection: Connection) -> None:
        self.account = Account()
        self._connection = connection
        self._spans = ReadableSpans()
        self._log = _LastMessage()
        self._shut_down = threading.Lock()

    def __enter__(self) -> Sender:
        self._log.install()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._connection.close()
        self._log.remove()

    def stop(self) -> None:
        """Shut the exporter down; a batch that it retries fails. May be called by any thread."""
        if self._shut_down.acquire(blocking=False):
            with contextlib.suppress(Exception):  # of anybody's exporter
                self._connection.exporter.shutdown()

    def end_within(self, seconds: float) -> None:
        """Let no request take longer than up to that time from now, if the exporter allows it."""
        self._connection.end_within(seconds)

    def send(self, spans: Iterable[Span]) -> Iterator[Account]:
        """Send ``spans``; yield the account after every batch.

        The rest is counted without being sent if the endpoint does not answer, or after three
        failures in a row.
        """
        rest = iter(spans)
        failures = 0
        while batch := list(islice(rest, BATCH)):
            try:
                self.deliver(batch)
                failures = 0
            except DeliveryFailed as problem:
                failures += 1
                self.account.failed += len(batch)
                self.account.add_problem(str(problem))
                if not problem.reached or failures == _MAX_FAILURES:
                    yield self.account
                    self.account.not_tried += sum(1 for _ in rest)
            yield self.account

    def deliver(self, batch: list[Span]) -> None:
        """Send one batch, and count its spans as sent or rejected.

        Raises:
            DeliveryFailed: The spans are not counted.
        """
        answer = self._connection.answer
        answer.clear()
        self._log.message = ""
        try:
            result = self._connection.exporter.export(list(map(self._spans.of, batch)))
        except Exception as error:  # of anybody's exporter
            said = f"the exporter failed: {type(error).__name__}: {one_line(str(error))}"
            raise DeliveryFailed(said, retryable=False, reached=True) from None
        # A redirection, for example, is a success to the SDK.
        if result is not SpanExportResult.SUCCESS or answer.problem is not None:
            said = answer.problem or self._log.message or "the exporter failed and gave no reason"
            raise DeliveryFailed(said, retryable=answer.retryable, reached=answer.reached)
        rejected = min(max(answer.rejected, 0), len(batch))
        self.account.sent += len(batch) - rejected
        self.account.rejected += rejected
        if answer.message or rejected:
            self.account.add_problem(f"the server says: {answer.message or 'rejected'}")


class _LastMessage(logging.Handler):
    """Keeps what OpenTelemetry logged last, instead of printing it: the account says it."""

    _logger = logging.getLogger("opentelemetry")

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.message = ""
        self._propagated = True

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):  # as of a message with wrong arguments
            self.message = one_line(record.getMessage())

    def install(self) -> None:
        self._propagated, self._logger.propagate = self._logger.propagate, False
        self._logger.addHandler(self)

    def remove(self) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagated
