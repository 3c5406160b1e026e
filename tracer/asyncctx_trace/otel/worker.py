"""The worker, which makes spans and measurements of acquisitions on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, set_span_in_context

from asyncctx_trace.otel.definitions import ResourceInfo
from asyncctx_trace.otel.live_acquisition import LiveAcquisition, Progress
from asyncctx_trace.otel.metrics import Measurements
from asyncctx_trace.otel.strategies.builder import build
from asyncctx_trace.otel.strategies.strategy import SpanStrategy
from asyncctx_trace.spans.blockers import BlockerTracker

__all__ = ["Worker"]

_INTERVAL = 0.1
"""Seconds between two passes over the queue, so a span is made that much later at most."""
_BURST = 2000
"""With so many new steps in one interval, the worker leaves the interpreter to the program."""
_BATCH_SIZE = 16
"""Steps that are processed before the interpreter is offered to others: about 100 µs."""
_STEPS = 3
"""An acquisition is queued when it begins to wait, when it enters, and when it ends."""
_SPANS = 4
"""The most spans that one acquisition has."""
WAITERS = 16
"""Waiters that a holder has links to: those that are let in next."""
_FLUSH_LIMIT = 5.0
"""Seconds that one flush of the provider may take at the end of the program."""
_STOP_LIMIT = 30.0
"""Seconds that the worker may take altogether at the end of the program."""

_log = logging.getLogger("asyncctx_trace")


class Worker:
    """Processes acquisitions from ``queue``, which holds each once for every step it has made.

    ``capacity`` acquisitions may wait there. ``on_pass`` is called before each pass over the queue.
    """

    strategy: SpanStrategy | None = None
    measurements: Measurements | None = None
    provider_capacity = 0
    """How many spans of ours may wait in the provider's queue: it drops spans when it is full."""

    def __init__(self, capacity: int, on_pass: Callable[[], object]) -> None:
        self.flush: Callable[[float | None], bool] = _nothing_to_flush
        """Empties the provider's queue within so many seconds; returns whether it did."""
        self._on_pass = on_pass
        self.queue: deque[LiveAcquisition] = deque()
        self.limit = capacity * _STEPS
        self.emitted = 0
        """Spans that were passed to the provider's processors."""
        self.dropped = 0
        """Acquisitions without spans because the queue was full."""
        self.asleep = True
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._awake = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._since_flush = 0
        self._trackers: dict[ResourceInfo, BlockerTracker[LiveAcquisition]] = {}
        self._last_exit: dict[ResourceInfo, tuple[int, str]] = {}
        """Resource in use -> the acquisition of it that ended last, and the name of its task."""

    def restart_in_child(self) -> None:
        """Begin anew in a forked child, which has no thread of the worker."""
        self.queue.clear()
        self.emitted = self.dropped = 0
        if self.strategy is not None:
            self.strategy.reset_in_child()
        self.asleep = True
        self._reset()

    # -- on the task ------------------------------------------------------------------------

    def wake(self) -> None:
        """Process what is in the queue."""
        self.asleep = False
        if self._thread is None and not self._stopping:
            self._thread = threading.Thread(
                target=self._run, name="asyncctx-trace spans", daemon=True
            )
            self._thread.start()
        self._awake.set()

    def drop(self) -> None:
        """Count an acquisition that does not fit into the queue."""
        self.dropped += 1
        if self.dropped == 1:
            _log.warning(
                "asyncctx-trace: span queue full: the exporter cannot keep up; dropping "
                "acquisitions (see Telemetry.dropped)"
            )

    # -- on a thread that flushes or stops --------------------------------------------------

    def drain(self, *, limit: float | None = None, flush_limit: float | None = None) -> bool:
        """Process everything that is in the queue now; return ``False`` if it gave up.

        It gives up after ``limit`` seconds, and when the provider's queue cannot be emptied within
        ``flush_limit`` seconds.
        """
        deadline = None if limit is None else time.monotonic() + limit
        if not self._lock.acquire(timeout=_wait(_shorter(deadline, flush_limit))):
            return False
        try:
            for _ in range(len(self.queue)):
                if deadline is not None and time.monotonic() > deadline:
                    return False
                self._step()
                if self._must_flush() and not self._flush(_shorter(deadline, flush_limit)):
                    return False
            return True
        finally:
            self._lock.release()

    def finish(self) -> None:
        """Process everything that is in the queue; count and log what cannot be delivered."""
        if not self.drain(limit=_STOP_LIMIT, flush_limit=_FLUSH_LIMIT):
            undelivered = {id(live) for live in self.queue}
            self.queue.clear()
            self.dropped += len(undelivered)
            _log.warning(
                "asyncctx-trace: %d acquisitions have no spans: the exporter did not take them "
                "in time",
                len(undelivered),
            )

    def stop(self) -> None:
        """Finish, and end the thread."""
        self._stopping = True
        self._awake.set()
        self.finish()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(_FLUSH_LIMIT if not self.dropped else 0.0)

    # -- on the worker's thread -------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            before = len(self.queue)
            self._awake.clear()
            if not before:
                self.asleep = True
                # What was queued just before `asleep` was set has not woken the worker.
                if not self.queue:
                    self._awake.wait()
                self.asleep = False
            time.sleep(_INTERVAL)
            if self._stopping:
                return
            self._on_pass()
            if len(self.queue) - before > _BURST and len(self.queue) < self.limit // 2:
                continue
            for _ in range(0, len(self.queue), _BATCH_SIZE):
                if self._stopping:
                    return
                with self._lock:
                    for _ in range(_BATCH_SIZE):
                        self._step()
                        if self._must_flush():
                            self._flush(None)
                # Without this, a waiting thread gets the interpreter a switch interval later.
                time.sleep(0)

    def _step(self) -> None:
        """Process one step of an acquisition."""
        try:
            live = self.queue.popleft()
        except IndexError:
            return
        progress = live.progress
        if progress is None:
            progress = live.progress = Progress()
        progress.steps += 1
        try:
            self._process(live, progress)
        except Exception:
            # A processor has raised. Like the SDK, log it and go on.
            _log.exception("asyncctx-trace: cannot make the spans of an acquisition")

    def _must_flush(self) -> bool:
        """Whether another acquisition may not fit into the provider's queue."""
        return 0 < self._since_flush > self.provider_capacity - _SPANS

    def _flush(self, limit: float | None) -> bool:
        done = self.flush(limit)
        if done:
            self._since_flush = 0
        return done

    def _process(self, live: LiveAcquisition, progress: Progress) -> None:
        tracker = self._tracker(live.resource)
        if progress.steps == 1:
            if tracker is not None:
                progress.waiters_before = tracker.enter_started(live)
            if self.measurements is not None:
                progress.measured = True
                self.measurements.enter_started(live)
        elif progress.steps == 2:
            if tracker is not None:
                ended = tracker.enter_succeeded if live.entered else tracker.enter_failed
                progress.blocker_count, progress.blockers = ended(live)
                self._note_blockers(live, progress)
            if self.measurements is not None and progress.measured:
                self.measurements.enter_ended(live, self._exemplar(live))
                self.measurements.blocked(live, progress.blockers)
            if not live.entered:
                self._finish(live, progress)
        else:
            if tracker is not None:
                progress.blocked += tracker.waiting_behind(live, WAITERS - len(progress.blocked))
                tracker.exit_ended(live)
                self._last_exit[live.resource] = live.id, live.task.name
            if self.measurements is not None and progress.measured:
                self.measurements.exit_ended(live, self._exemplar(live))
            self._finish(live, progress)
        if tracker is not None and tracker.idle:
            self._trackers.pop(live.resource, None)
            self._last_exit.pop(live.resource, None)

    def _finish(self, live: LiveAcquisition, progress: Progress) -> None:
        if self.strategy is not None:
            count = build(live, progress, self.strategy)
            self.emitted += count
            self._since_flush += count
        progress.blockers = ()
        progress.blocked = []
        live.release()

    def _exemplar(self, live: LiveAcquisition) -> Context | None:
        """Return a context with the lifecycle span, for the exemplars of histograms."""
        context = None if self.strategy is None else self.strategy.lifecycle_context(live)
        if context is None or not context.trace_flags.sampled:
            return None
        return set_span_in_context(NonRecordingSpan(context), Context())

    def _note_blockers(self, live: LiveAcquisition, progress: Progress) -> None:
        """Note whom ``live``, whose wait has ended, was blocked by, at both ends."""
        if not progress.blockers:
            return
        last = self._last_exit.get(live.resource)
        for holder in progress.blockers:
            if last is not None and holder.id == last[0]:
                progress.let_in_by = last
            theirs = holder.progress
            if not holder.exit_ended and theirs is not None and len(theirs.blocked) < WAITERS:
                theirs.blocked.append(live)

    def _tracker(self, resource: ResourceInfo) -> BlockerTracker[LiveAcquisition] | None:
        known = self._trackers.get(resource)
        if known is None and resource.limit is not None:
            known = self._trackers[resource] = BlockerTracker(resource.limit)
        return known


def _shorter(deadline: float | None, limit: float | None) -> float | None:
    """Return the seconds until ``deadline``, or ``limit`` if that is shorter."""
    if deadline is None:
        return limit
    remaining = max(0.0, deadline - time.monotonic())
    return remaining if limit is None else min(remaining, limit)


def _wait(limit: float | None) -> float:
    """Return ``limit`` as a timeout of a lock."""
    return -1 if limit is None else limit


def _nothing_to_flush(_limit: float | None) -> bool:
    return True
