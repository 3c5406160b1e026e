"""Turns spans and measurements on and off, for the providers that the user has set."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from asyncctx_trace.instrument import sinks, span_scope
from asyncctx_trace.instrument.hidden_frames import quietly, unobserved
from asyncctx_trace.model.constants import NEW_TRACE_AFTER

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["Telemetry", "configure", "seek_providers"]

NAME = "asyncctx_trace"
"""What OTEL_PYTHON_DISABLED_INSTRUMENTATIONS calls us."""
QUEUE_LIMIT = 131_072

P = TypeVar("P")

_telemetry: Telemetry | None = None


class Telemetry:
    """The spans and metrics of this process; returned by :func:`configure`."""

    def __init__(
        self,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        new_trace_after: float,
        queue_limit: int,
    ) -> None:
        from asyncctx_trace.otel.sink import Emitter
        from asyncctx_trace.otel.worker import Worker

        self._new_trace_after = int(new_trace_after * 1e9)
        self._worker = Worker(queue_limit, self._look)
        self._emitter = Emitter(self._worker, sinks.send_definitions)
        self._patched: list[tuple[Any, str]] = []
        self._seen: list[object] = []
        """Providers that have been looked at: one that makes no spans need not be asked again."""
        self._wants = (tracer_provider is None, meter_provider is None)
        """Whether a global tracer provider, a global meter provider is to be taken on."""
        self._listens = self._closed = False
        self._looking = threading.RLock()
        self._use(tracer_provider, meter_provider)
        self._look()

    @property
    def emitted(self) -> int:
        """How many spans have been passed to the provider's processors."""
        return self._worker.emitted

    @property
    def dropped(self) -> int:
        """How many acquisitions have no spans because the queue was full."""
        return self._worker.dropped

    @property
    def in_flight(self) -> int:
        """How many acquisitions have not ended. Their spans do not exist yet."""
        return self._emitter.in_flight

    def flush(self) -> None:
        """Pass the spans of all acquisitions that have ended to the provider.

        The provider's own ``force_flush`` does this too.
        """
        self._worker.drain()

    def close(self) -> None:
        """Flush, and restore the providers. Calling it twice has no effect."""
        global _telemetry
        with self._looking:
            if self._closed:
                return
            self._closed = True
            sinks.detach(self._emitter)
            sinks.set_provider_discovery(None)
        atexit.unregister(self.close)
        self._worker.stop()
        for provider, moment in self._patched:
            vars(provider).pop(moment, None)
        self._patched.clear()
        encoder_patch = sys.modules.get("asyncctx_trace.otel.encoder_patch")
        if encoder_patch is not None:
            encoder_patch.forget()
        if _telemetry is self:
            _telemetry = None

    def _use(
        self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None
    ) -> None:
        if tracer_provider is not None:
            from asyncctx_trace.otel.strategies import batch_for, tracing_of

            tracing = tracing_of(tracer_provider, _version(), self._new_trace_after)
            if tracing is not None:
                self._worker.flush = self._flushing(tracer_provider)
                self._worker.batch = batch_for(tracer_provider)
                self._worker.tracing = self._emitter.tracing = tracing
        if meter_provider is not None:
            from asyncctx_trace.otel.metrics import Measurements

            self._flushing(meter_provider)
            self._worker.measurements = Measurements(meter_provider, _version())

    def _flushing(self, provider: Any) -> Callable[[], object]:
        """Have ``provider`` wait for us when it is flushed or shut down; returns its own flush."""
        flush: Callable[[], object] | None = getattr(provider, "force_flush", None)
        for moment in ("force_flush", "shutdown"):
            own = getattr(provider, moment, None)
            if own is not None and moment not in vars(provider):
                setattr(provider, moment, _after(self._worker.drain, own))
                self._patched.append((provider, moment))
        return flush or (lambda: None)

    def _look(self) -> None:
        """Take on a global provider where none was given and one has been set since."""
        with self._looking:
            if self._closed:
                return
            tracer_provider, meter_provider = _global_providers()
            self._use(
                self._unseen(tracer_provider) if self._wants[0] else None,
                self._unseen(meter_provider) if self._wants[1] else None,
            )
            if self._worker.tracing is not None and self._worker.tracing.hands_over:
                from asyncctx_trace.otel import encoder_patch

                encoder_patch.teach()
            if not self._listens and (self._worker.tracing or self._worker.measurements):
                self._listens = True
                sinks.attach(self._emitter)
                # Runs before the exit handlers of providers, which were made earlier.
                atexit.register(self.close)
            # The worker looks, too, but a span that is missed is missed.
            searching = self._wants[0] and self._worker.tracing is None
            sinks.set_provider_discovery(self._look if searching else None)

    def _unseen(self, provider: P) -> P | None:
        if provider is None or provider in self._seen:
            return None
        self._seen.append(provider)
        return provider

    def _settle(self) -> None:
        self._emitter.settle()

    def _restart_in_child(self) -> None:
        self._looking = threading.RLock()
        self._emitter.restart_in_child()


def configure(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    new_trace_after: float = NEW_TRACE_AFTER,
    queue_limit: int = QUEUE_LIMIT,
) -> Telemetry:
    """Make spans and metrics of all acquisitions in this process.

    With global providers there is no need to call it. A second call closes the first telemetry.

    Args:
        tracer_provider: Receives the spans. Default: the global provider, also if it is set later.
        meter_provider: Receives the metrics. Default: as for the tracer provider.
        new_trace_after: Seconds. An acquisition in a body that is older begins a new trace, linked
            to that body. So a pool that is open for days is not the root of one endless trace.
        queue_limit: How many acquisitions may wait to become spans. Further ones are dropped and
            counted in :attr:`Telemetry.dropped`.

    Returns:
        An object with counters, ``flush()`` and ``close()``.

    Example:
        >>> from opentelemetry.sdk.trace import TracerProvider
        >>> import asyncctx_trace
        >>> telemetry = asyncctx_trace.configure(tracer_provider=TracerProvider())
        >>> telemetry.dropped
        0
        >>> telemetry.close()
    """
    global _telemetry
    if _telemetry is not None:
        _telemetry.close()
    _telemetry = Telemetry(tracer_provider, meter_provider, new_trace_after, queue_limit)
    return _telemetry


def seek_providers() -> None:
    """Have acquisitions look for a global provider until there is one.

    The search begins when the program traces something itself: see ``instrument.span_scope``.
    """
    disabled = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    if NAME not in map(str.strip, disabled.split(",")):
        span_scope.on_request(partial(sinks.set_provider_discovery, _seek))


@unobserved
def _seek(loaded: Callable[[str], object] = sys.modules.get) -> None:
    """Costs every enter a look at two modules, so long as no provider is set."""
    if (
        loaded("opentelemetry.trace") is not None
        or loaded("opentelemetry.metrics._internal") is not None
    ) and _global_providers() != (None, None):
        quietly(configure)


@unobserved
def _global_providers() -> tuple[TracerProvider | None, MeterProvider | None]:
    trace = sys.modules.get("opentelemetry.trace")
    metrics = sys.modules.get("opentelemetry.metrics._internal")
    return getattr(trace, "_TRACER_PROVIDER", None), getattr(metrics, "_METER_PROVIDER", None)


def _version() -> str:
    from importlib.metadata import version  # as much to import as all of ours

    return version("asyncctx-trace")


def _after(drain: Callable[..., bool], own: Callable[..., Any]) -> Callable[..., Any]:
    """A provider's ``own`` method, which waits for us first, as long as it is told to wait."""

    def drained(*args: Any, **kwargs: Any) -> Any:
        timeout = args[0] if args else kwargs.get("timeout_millis")
        whole = drain(within=timeout / 1000 if isinstance(timeout, int | float) else None)
        return own(*args, **kwargs) and whole

    return drained


def settle_before_fork() -> None:
    """Fix the span ids of open bodies, which parent and child must agree on."""
    if _telemetry is not None:
        _telemetry._settle()


def restart_in_child() -> None:
    """Emit the spans of a forked child from the child."""
    if _telemetry is not None:
        _telemetry._restart_in_child()
