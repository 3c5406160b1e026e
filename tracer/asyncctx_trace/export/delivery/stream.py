"""Sends the spans of a recording while it grows, from outside of the program."""

from __future__ import annotations

import threading
import time
from collections import deque
from pathlib import Path

from asyncctx_trace.errors import RecordingError
from asyncctx_trace.export.delivery.endpoint import Endpoint, endpoint_for
from asyncctx_trace.export.delivery.sender import BATCH, Account, NotDelivered, Sender
from asyncctx_trace.model.constants import NEW_TRACE_AFTER
from asyncctx_trace.recording.reader import Recording
from asyncctx_trace.spans.from_events import SpanBuilder
from asyncctx_trace.spans.span import Span

__all__ = ["OtlpStream"]

_INTERVAL = 0.5
_PAUSE = 5.0
"""Seconds until an endpoint that did not answer is tried again."""
_ROOM = 100_000
"""Spans that wait for an endpoint to come back; more are counted as failed."""


class OtlpStream:
    """Follows the recording ``path`` in a thread and sends what ends in it.

    The program never notices. Start it once the recording exists::

        stream = OtlpStream(path, url)
        stream.start()
        ...
        account = stream.finish()

    What could not be sent is counted in the account; ``export`` sends it later, under the same
    ids. Raises AsyncctxTraceError for an endpoint nothing can be sent to.
    """

    def __init__(
        self,
        path: Path,
        endpoint: Endpoint | str | None = None,
        *,
        new_trace_after: float = NEW_TRACE_AFTER,
        patience: float = 5.0,
    ) -> None:
        self.path = path
        if not isinstance(endpoint, Endpoint):
            endpoint = endpoint_for(endpoint)
        self._sender = Sender(endpoint, patience=patience)
        self._new_trace_after = new_trace_after
        self._waiting: deque[Span] = deque()
        self._not_before = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp stream", daemon=True)

    @property
    def account(self) -> Account:
        """As it stands now."""
        return self._sender.account

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def finish(self) -> Account:
        """The program has ended: send the rest; what cannot be sent now is counted as failed."""
        self._stop.set()
        self._thread.join()
        return self._sender.account

    def _run(self) -> None:
        with self._sender:
            try:
                with Recording(self.path) as recording:
                    self._follow(recording)
            except (RecordingError, OSError) as error:
                self.account.problem(str(error))
            for _ in self._sender.send(self._waiting):
                pass

    def _follow(self, recording: Recording) -> None:
        maker = SpanBuilder(recording.anchor, self._new_trace_after)
        while not self._stop.wait(_INTERVAL):
            self._waiting.extend(maker.take(recording.poll()))
            self._send_waiting()
        self._waiting.extend(maker.take(recording.poll()))
        self._waiting.extend(maker.finish())

    def _send_waiting(self) -> None:
        while self._waiting and time.monotonic() >= self._not_before and not self._stop.is_set():
            batch = [self._waiting[i] for i in range(min(BATCH, len(self._waiting)))]
            try:
                self._sender.deliver(batch)
            except NotDelivered as problem:
                if problem.again:
                    self._not_before = time.monotonic() + (problem.after or _PAUSE)
                    break
                self.account.failed += len(batch)
                self.account.problem(str(problem))
            for _ in batch:
                self._waiting.popleft()
        while len(self._waiting) > _ROOM:
            self._waiting.popleft()
            self.account.failed += 1
