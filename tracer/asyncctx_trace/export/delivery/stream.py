"""Send the spans of a recording while it grows, from another process than the program."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace
from pathlib import Path

from asyncctx_trace.errors import RecordingError
from asyncctx_trace.export.delivery.exporters import Connection
from asyncctx_trace.export.delivery.sender import BATCH, Account, DeliveryFailed, Sender
from asyncctx_trace.model.constants import NEW_TRACE_AFTER
from asyncctx_trace.recording.reading.reader import Recording
from asyncctx_trace.spans.from_events import SpanBuilder
from asyncctx_trace.spans.span import Span
from asyncctx_trace.spans.trace_tree import TraceOptions

__all__ = ["FINISH_WITHIN", "SpanStream"]

FINISH_WITHIN = 5.0
"""Seconds that sending may take at the end of the program."""
_INTERVAL = 0.5
_LAST_PAUSE = 0.5
"""Seconds until an attempt at the end is repeated."""
_MARGIN = 3.0
"""Seconds that the thread gets to end after its deadline."""
_PAUSE = 5.0
"""Seconds until an endpoint that did not answer is tried again."""
_QUEUE_LIMIT = 100_000
"""Spans that wait for an endpoint that does not answer; further ones are counted as failed."""


class SpanStream:
    """Follows the recording ``path`` in a thread, and sends the spans of what has ended.

    Start it when the recording exists::

        stream = SpanStream(path, connect(endpoint_for(url), FINISH_WITHIN))
        stream.start()
        ...
        account = stream.finish()

    What could not be sent is counted in the account; ``export`` can send it later, with the same
    ids.
    """

    def __init__(
        self,
        path: Path,
        connection: Connection,
        *,
        new_trace_after: float = NEW_TRACE_AFTER,
        finish_within: float = FINISH_WITHIN,
        waits: bool = False,
    ) -> None:
        self.path = path
        self._sender = Sender(connection)
        self._finish_within = finish_within
        self._deadline = 0.0
        self._options = TraceOptions(new_trace_after, waits=waits)
        self._waiting: deque[Span] = deque()
        self._not_before = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp stream", daemon=True)

    @property
    def account(self) -> Account:
        """The account up to now."""
        return self._sender.account

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def finish(self) -> Account:
        """Send what is left, within ``finish_within`` seconds; return the final account.

        What cannot be sent by then is counted as failed.
        """
        self._deadline = time.monotonic() + self._finish_within
        self._sender.end_within(self._finish_within)
        # Ends the pauses between the retries of an exporter.
        timer = threading.Timer(self._finish_within, self._sender.stop)
        timer.daemon = True
        timer.start()
        self._stop.set()
        self._thread.join(self._finish_within + _MARGIN)
        timer.cancel()
        account = self._sender.account
        if not self._thread.is_alive():
            return account
        # It waits in a call that has no timeout, such as the look-up of a name.
        waiting = max(1, len(self._waiting))
        unfinished = replace(
            account, failed=account.failed + waiting, problems={**account.problems}
        )
        unfinished.add_problem("the time was over before all spans were counted as failed")
        return unfinished

    def _run(self) -> None:
        with self._sender:
            try:
                with Recording(self.path) as recording:
                    self._follow(recording)
            except Exception as error:  # whatever it is, the rest is still sent and counted
                ours = isinstance(error, RecordingError | OSError)
                name = "" if ours else f"{type(error).__name__}: "
                self.account.add_problem(f"spans are missing: {name}{error}")
            try:
                self._send_rest()
            except Exception as error:
                self.account.add_problem(f"sending failed: {type(error).__name__}: {error}")
            if self._waiting and not self.account.problems:
                self.account.add_problem("the time was over before the last spans were sent")
            self.account.failed += len(self._waiting)
            self._waiting.clear()

    def _follow(self, recording: Recording) -> None:
        builder = SpanBuilder(recording.anchor, self._options)
        while not self._stop.wait(_INTERVAL):
            self._waiting.extend(builder.add(recording.poll()))
            self._send_waiting()
        self._waiting.extend(builder.add(recording.poll()))
        self._waiting.extend(builder.finish())

    def _send_waiting(self) -> None:
        while self._waiting and time.monotonic() >= self._not_before and not self._stop.is_set():
            if not self._send_batch():
                self._not_before = time.monotonic() + _PAUSE
        while len(self._waiting) > _QUEUE_LIMIT:
            self._waiting.popleft()
            self.account.failed += 1

    def _send_rest(self) -> None:
        """Send until nothing is left or the deadline has passed."""
        while self._waiting and time.monotonic() < self._deadline:
            if not self._send_batch():
                left = self._deadline - time.monotonic()
                if left <= _LAST_PAUSE:
                    break
                time.sleep(_LAST_PAUSE)

    def _send_batch(self) -> bool:
        """Send the oldest batch; return false if it stays because it may be delivered later."""
        batch = [self._waiting[i] for i in range(min(BATCH, len(self._waiting)))]
        try:
            self._sender.deliver(batch)
        except DeliveryFailed as problem:
            self.account.add_problem(str(problem))
            if problem.retryable:
                return False
            self.account.failed += len(batch)
        for _ in batch:
            self._waiting.popleft()
        return True
