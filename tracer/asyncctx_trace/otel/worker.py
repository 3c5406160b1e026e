"""Turns facts into spans and measurements, off the program's tasks."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from opentelemetry.context import Context

from asyncctx_trace.otel.acquisition import LiveAcquisition, ResourceWords
from asyncctx_trace.otel.builder import build
from asyncctx_trace.otel.metrics import Measurements
from asyncctx_trace.otel.tracer import Tracing
from asyncctx_trace.spans.blockers import BlockerTracker

__all__ = ["Worker"]

_INTERVAL = 0.1
"""Seconds from a fact to its span, at most, while there is time to breathe."""
_BURST = 2000
"""So many facts in one interval and the program gets the interpreter for itself."""
_SIP = 16
"""Facts that are taken in one go: some 100 µs for which the program waits, at most."""
_FACTS = 3
"""The worker hears of an acquisition when it asks, when it got in, when it is over."""
_SPANS = 4
"""The most that one acquisition gives."""
_PATIENCE = 5.0
"""Seconds that the exporter may take for one batch once the program wants to end."""

_NOWHERE = Context()

_log = logging.getLogger("asyncctx_trace")


class Worker:
    """Takes acquisitions from ``facts``: each lies there once for every step it has made.

    ``room`` acquisitions may wait here. ``look`` is called now and then, off the task.
    """

    tracing: Tracing | None = None
    measurements: Measurements | None = None
    batch = 0
    """How many spans of ours may lie in the provider's queue: a full one drops spans."""

    def __init__(self, room: int, look: Callable[[], object]) -> None:
        self.flush: Callable[[], object] = _nothing
        """Empties the provider's queue."""
        self._look = look
        self.facts: deque[LiveAcquisition] = deque()
        self.limit = room * _FACTS
        self.emitted = 0
        """Spans that the provider's processors have been given."""
        self.dropped = 0
        """Acquisitions that found no room."""
        self.asleep = True
        self._begin()

    def _begin(self) -> None:
        self._draining = threading.RLock()
        self._awake = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._since_flush = 0
        self._contentions: dict[ResourceWords, BlockerTracker[LiveAcquisition]] = {}

    def restart_in_child(self) -> None:
        """A forked child begins anew: no thread came along."""
        self.facts.clear()
        self.emitted = self.dropped = 0
        if self.tracing is not None:
            self.tracing.restart_in_child()
        self.asleep = True
        self._begin()

    # -- on the task ------------------------------------------------------------------------

    def wake(self) -> None:
        """There are facts again."""
        self.asleep = False
        if self._thread is None and not self._stopping:
            self._thread = threading.Thread(
                target=self._run, name="asyncctx-trace spans", daemon=True
            )
            self._thread.start()
        self._awake.set()

    def drop(self) -> None:
        """An acquisition found no room."""
        self.dropped += 1
        if self.dropped == 1:
            _log.warning(
                "asyncctx-trace: span queue full: the exporter cannot keep up; dropping "
                "acquisitions (see Telemetry.dropped)"
            )

    # -- off the task -----------------------------------------------------------------------

    def drain(self, *, within: float | None = None, patience: float | None = None) -> bool:
        """Turn every fact so far into spans; ``False`` if it gave up before.

        It gives up ``within`` so many seconds, and once the provider took longer than
        ``patience`` (s) to be flushed.
        """
        deadline = None if within is None else time.monotonic() + within
        with self._draining:
            for _ in range(len(self.facts)):
                if deadline is not None and time.monotonic() > deadline:
                    return False
                flushing = self._step()
                if patience is not None and flushing > patience:
                    return False
            return True

    def stop(self) -> None:
        """Drain, and end the thread; what cannot be delivered is counted and logged."""
        self._stopping = True
        self._awake.set()
        if not self.drain(patience=_PATIENCE):
            left = {id(live): live for live in self.facts}
            self.facts.clear()
            self.dropped += len(left)
        if self.dropped:
            _log.warning(
                "asyncctx-trace: %d acquisitions have no spans: the exporter could not keep up",
                self.dropped,
            )
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(_PATIENCE)

    def _run(self) -> None:
        while not self._stopping:
            before = len(self.facts)
            self._awake.clear()
            if not before:
                self.asleep = True
                # A fact that came just before `asleep` was set has not woken us.
                if not self.facts:
                    self._awake.wait()
                self.asleep = False
            time.sleep(_INTERVAL)
            if self._stopping:
                return
            self._look()
            if len(self.facts) - before > _BURST and len(self.facts) < self.limit // 2:
                continue
            for _ in range(0, len(self.facts), _SIP):
                if self._stopping:
                    return
                with self._draining:
                    for _ in range(_SIP):
                        self._step()
                # Who waits for the interpreter gets it now and not in a switch interval.
                time.sleep(0)

    def _step(self) -> float:
        """Take one fact; returns how long the provider took to be flushed after it (s)."""
        try:
            live = self.facts.popleft()
        except IndexError:
            return 0.0
        live.seen += 1
        try:
            self._take(live)
        except Exception:
            # A processor of the user's has raised; the SDK's own way is to log and go on.
            _log.exception("asyncctx-trace: cannot make the spans of an acquisition")
        if self._since_flush + _SPANS <= self.batch or not self._since_flush:
            return 0.0
        self._since_flush = 0
        began = time.monotonic()
        self.flush()
        return time.monotonic() - began

    def _take(self, live: LiveAcquisition) -> None:
        contention = self._contention(live.resource)
        if live.seen == 1:
            if contention is not None:
                live.waiters_before = contention.enter_started(live)
            if self.measurements is not None:
                live.measured = True
                self.measurements.enter_started(live)
        elif live.seen == 2:
            if contention is not None:
                answered = contention.enter_succeeded if live.entered else contention.enter_failed
                live.blocker_count, live.blockers = answered(live)
            if self.measurements is not None and live.measured:
                self.measurements.answered(live)
            if not live.entered:
                self._finish(live)
        else:
            if contention is not None:
                contention.exit_ended(live)
            if self.measurements is not None and live.measured:
                self.measurements.ended(live)
            self._finish(live)
        if contention is not None and contention.idle:
            self._contentions.pop(live.resource, None)

    def _finish(self, live: LiveAcquisition) -> None:
        if self.tracing is not None:
            count = build(live, self.tracing)
            self.emitted += count
            self._since_flush += count
        # What came before it need not outlive it: a task that starts the next one in a body, and
        # so on for ever, would keep them all.
        if live.body is not None and live.exit_task is None:
            live.body.before = None
        live.parent = live.body = None
        live.blockers = ()
        live.context = _NOWHERE

    def _contention(self, resource: ResourceWords) -> BlockerTracker[LiveAcquisition] | None:
        found = self._contentions.get(resource)
        if found is None and resource.limit is not None:
            found = self._contentions[resource] = BlockerTracker(resource.limit)
        return found


def _nothing() -> None:
    """Where there is nothing to flush."""
