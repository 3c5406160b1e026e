"""Turns triggers and dumps on and off for the ring of this process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from asyncctx_trace.dumps.detection import Detection
from asyncctx_trace.dumps.flight_recorder import FlightRecorder
from asyncctx_trace.dumps.hangs import Hangs
from asyncctx_trace.dumps.options import DumpOptions
from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.instrument.waits import watchdog
from asyncctx_trace.otel import dump_counters
from asyncctx_trace.recording.writing.observed_ring import ObservedRing
from asyncctx_trace.runtime.process_names import ProcessNames

__all__ = ["AlwaysOn", "check"]

_HANGS = frozenset({"deadlock", "leak"})


class _Observer:
    """Passes what the ring reports to those that need it."""

    def __init__(self, names: ProcessNames, flight: FlightRecorder) -> None:
        self.resource_defined = names.resource_defined
        self.error_interned = names.error_interned
        self.stall_started = flight.stall_started
        self.stall_ended = flight.stall_ended
        self.quiescent = flight.quiescent


class AlwaysOn:
    """The triggers of this process, from :meth:`start` to :meth:`stop`."""

    def __init__(self, recorder: ObservedRing, options: DumpOptions) -> None:
        self._recorder = recorder
        self._options = options
        self._restore: list[Callable[[], object]] = []
        self._observing = False
        self._flight = self._new_flight()

    def _new_flight(self) -> FlightRecorder:
        names, conditions = ProcessNames(), self._options.on
        hangs = None
        if any(condition.kind in _HANGS for condition in conditions):
            hangs = Hangs(conditions, names.definitions)
        detection = Detection(conditions, names, hangs)
        flight = FlightRecorder(
            self._recorder, self._options, detection, hangs, dump_counters.DumpCounters()
        )
        self._recorder.observer = _Observer(names, flight)
        return flight

    def start(self) -> None:
        """Begin to evaluate the conditions."""
        for condition in self._options.on:
            if condition.kind == "signal":
                self._handle(condition.signal, condition.text)
        if self._is_active:
            self._observe()

    @property
    def _is_active(self) -> bool:
        """Whether there is something to do before the program asks for a dump."""
        return bool(self._options.on) or self._options.sample is not None

    def _observe(self) -> None:
        """Evaluate the conditions, and write dumps, from now on; until then it costs nothing."""
        if not self._observing:
            self._observing = True
            watchdog.observe(self._flight.look)

    def stop(self) -> None:
        """Evaluate them once more, and finish dumps that have begun."""
        if self._observing:
            watchdog.stop_observing(self._flight.look)
        self._flight.close()
        self._recorder.observer = None
        for restore in reversed(self._restore):
            restore()
        self._restore.clear()

    def restart_in_child(self) -> None:
        """Begin anew in a forked child; the parent writes the dumps that it has begun."""
        dump_counters.forget_after_fork()
        self._flight = self._new_flight()
        self._observing = False
        if self._is_active:
            self._observe()

    def dump(self, reason: str) -> Path | None:
        """Ask for a dump; see :func:`asyncctx_trace.dump`."""
        path = self._flight.dump(reason)
        if path is not None:
            self._observe()
        return path

    def _handle(self, number: int, name: str) -> None:
        """Note the signal ``number``, then do what the program did with it."""
        before: Any = signal.getsignal(number)

        def handler(given: int, frame: FrameType | None) -> None:
            self._flight.signalled(name)
            if callable(before):
                before(given, frame)

        if not callable(before):
            handler.__asyncctx_trace__ = True  # type: ignore[attr-defined]  # it wakes no loop
        signal.signal(number, handler)

        def restore() -> None:
            # Only the main thread may, and only if the program has not set its own since.
            if (
                threading.current_thread() is threading.main_thread()
                and signal.getsignal(number) is handler
            ):
                signal.signal(number, before if before is not None else signal.SIG_DFL)

        self._restore.append(restore)


def check(options: DumpOptions) -> None:
    """Raise AsyncctxTraceError if a condition cannot be noticed in this process."""
    on_main_thread = threading.current_thread() is threading.main_thread()
    for condition in options.on:
        if condition.kind == "lag" and not watchdog.IS_POSSIBLE:
            raise AsyncctxTraceError(
                f"the trigger {condition.text} needs the C implementation; "
                "install a wheel that has it, or a C compiler and asyncctx-trace again"
            )
        if condition.kind == "lag" and not watchdog.is_asked_for():
            raise AsyncctxTraceError(
                f"the trigger {condition.text} needs event loops to be watched: call install() "
                "before, or use `asyncctx-trace run`"
            )
        if condition.kind == "signal" and not on_main_thread:
            raise AsyncctxTraceError(
                f"the trigger {condition.text} needs the main thread: record there"
            )
