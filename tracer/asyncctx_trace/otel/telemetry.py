"""Telemetry of this process: spans and metrics with the user's providers."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from asyncctx_trace.instrument import sinks, span_scope
from asyncctx_trace.instrument.hidden_frames import call_hidden, hidden
from asyncctx_trace.model.constants import MAX_TRACE_SPANS, NEW_TRACE_AFTER
from asyncctx_trace.otel.trace_limits import TraceLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from asyncctx_trace.otel.sdk_patches.provider_patch import ProviderPatch

__all__ = [
    "QUEUE_LIMIT",
    "Telemetry",
    "before_fork",
    "configure",
    "discover_providers",
    "restart_in_child",
]

_NAME = "asyncctx_trace"
"""Our name in OTEL_PYTHON_DISABLED_INSTRUMENTATIONS."""
QUEUE_LIMIT = 131_072
"""Acquisitions that may wait to become spans."""

P = TypeVar("P")

_telemetry: Telemetry | None = None


class Telemetry:
    """The spans and metrics of this process; returned by :func:`configure`."""

    def __init__(
        self,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        limits: TraceLimits,
        queue_limit: int,
    ) -> None:
        from asyncctx_trace.otel.telemetry_sink import SpanSink
        from asyncctx_trace.otel.worker import Worker

        self._limits = limits
        self._worker = Worker(queue_limit, self._adopt_global_providers)
        self._sink = SpanSink(self._worker, sinks.send_definitions)
        self._patches: list[ProviderPatch] = []
        self._seen: list[object] = []
        """Global providers that have been looked at: each is looked at once."""
        self._discover_tracers = tracer_provider is None
        self._discover_meters = meter_provider is None
        self._attached = self._closed = False
        self._lock = threading.RLock()
        self._use(tracer_provider, meter_provider)
        self._adopt_global_providers()

    @property
    def emitted(self) -> int:
        """How many spans have been passed to the provider's processors."""
        return self._worker.emitted

    @property
    def dropped(self) -> int:
        """How many acquisitions have no spans: the queue was full, or the exporter too slow."""
        return self._worker.dropped

    @property
    def in_flight(self) -> int:
        """How many acquisitions have not ended. Their spans do not exist yet."""
        return self._sink.in_flight

    def flush(self) -> None:
        """Pass the spans of all acquisitions that have ended to the provider.

        The provider's own ``force_flush`` does this too.
        """
        self._worker.drain()

    def close(self) -> None:
        """Flush, and restore the providers. Calling it twice has no effect.

        What cannot be delivered within 30 seconds, or 5 seconds for one flush of the provider, is
        counted in :attr:`dropped`.
        """
        global _telemetry
        with self._lock:
            if self._closed:
                return
            self._closed = True
            sinks.detach(self._sink)
            sinks.set_provider_discovery(None)
        atexit.unregister(self.close)
        self._worker.stop()
        for patch in self._patches:
            patch.remove()
        self._patches.clear()
        encoder_patch = sys.modules.get("asyncctx_trace.otel.sdk_patches.encoder_patch")
        if encoder_patch is not None:
            encoder_patch.unpatch_encoder()
        if _telemetry is self:
            _telemetry = None

    def _use(
        self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None
    ) -> None:
        if tracer_provider is not None:
            from asyncctx_trace.otel.strategies.strategy_selection import (
                provider_capacity,
                select_strategy,
            )

            strategy = select_strategy(tracer_provider, _version(), self._limits)
            if strategy is not None:
                self._worker.flush = self._patch(tracer_provider).flush
                self._worker.provider_capacity = provider_capacity(tracer_provider)
                self._worker.strategy = self._sink.strategy = strategy
        if meter_provider is not None:
            from asyncctx_trace.otel.metrics import Measurements

            self._patch(meter_provider)
            self._worker.measurements = Measurements(meter_provider, _version())

    def _patch(self, provider: object) -> ProviderPatch:
        from asyncctx_trace.otel.sdk_patches.provider_patch import ProviderPatch

        patch = ProviderPatch(provider, self._worker)
        self._patches.append(patch)
        return patch

    def _adopt_global_providers(self) -> None:
        """Use a global provider if none was passed and one has been set."""
        with self._lock:
            if self._closed:
                return
            tracer_provider, meter_provider = _global_providers()
            self._use(
                self._unseen(tracer_provider) if self._discover_tracers else None,
                self._unseen(meter_provider) if self._discover_meters else None,
            )
            if self._worker.strategy is not None and self._worker.strategy.has_fast_path:
                from asyncctx_trace.otel.sdk_patches import encoder_patch

                encoder_patch.patch_encoder()
            if not self._attached and (self._worker.strategy or self._worker.measurements):
                self._attached = True
                sinks.attach(self._sink)
                # Runs before the exit handlers of providers, which were registered earlier.
                atexit.register(self.close)
            # The worker calls this too, but spans before its next pass would be missed.
            missing = self._discover_tracers and self._worker.strategy is None
            sinks.set_provider_discovery(self._adopt_global_providers if missing else None)

    def _unseen(self, provider: P) -> P | None:
        if provider is None or provider in self._seen:
            return None
        self._seen.append(provider)
        return provider

    def _before_fork(self) -> None:
        self._sink.before_fork()

    def _restart_in_child(self) -> None:
        self._lock = threading.RLock()
        self._sink.restart_in_child()


def configure(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    new_trace_after: float = NEW_TRACE_AFTER,
    max_trace_spans: int = MAX_TRACE_SPANS,
    queue_limit: int = QUEUE_LIMIT,
) -> Telemetry:
    """Make spans and metrics of the acquisitions in this process.

    With global providers there is no need to call it. A second call closes the first telemetry.
    What only ``asyncctx-trace run`` or the pytest plugin traces is left out unless they are asked
    for spans.

    Args:
        tracer_provider: Receives the spans. Default: the global provider, also if it is set later.
        meter_provider: Receives the metrics. Default: as for the tracer provider.
        new_trace_after: Seconds. An acquisition in a body that is older begins a new trace, linked
            to that body. So a pool that is open for days is not the root of one endless trace.
        max_trace_spans: An acquisition in a body whose trace has so many spans begins one as well.
            Back ends limit the size of a trace; the default is about 4 MB.
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
    limits = TraceLimits(int(new_trace_after * 1e9), max_trace_spans)
    _telemetry = Telemetry(tracer_provider, meter_provider, limits, queue_limit)
    return _telemetry


def discover_providers() -> None:
    """Use global providers from the time at which the program first traces something itself.

    See :mod:`~asyncctx_trace.instrument.span_scope`. Until a provider is set, each enter looks for
    it.
    """
    disabled = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    if _NAME not in map(str.strip, disabled.split(",")):
        span_scope.on_request(partial(sinks.set_provider_discovery, _discover))


@hidden
def _discover(loaded: Callable[[str], object] = sys.modules.get) -> None:
    """Look for a global provider; called at each enter, so it must be cheap."""
    if (
        loaded("opentelemetry.trace") is not None
        or loaded("opentelemetry.metrics._internal") is not None
    ) and _global_providers() != (None, None):
        call_hidden(configure)


@hidden
def _global_providers() -> tuple[TracerProvider | None, MeterProvider | None]:
    trace = sys.modules.get("opentelemetry.trace")
    metrics = sys.modules.get("opentelemetry.metrics._internal")
    return getattr(trace, "_TRACER_PROVIDER", None), getattr(metrics, "_METER_PROVIDER", None)


def _version() -> str:
    from importlib.metadata import version  # takes as long to import as all of ours

    return version("asyncctx-trace")


def before_fork() -> None:
    """Take the ids of open bodies, which parent and child have in common."""
    if _telemetry is not None:
        _telemetry._before_fork()  # noqa: SLF001 - not for users of the class


def restart_in_child() -> None:
    """Begin anew in a forked child."""
    if _telemetry is not None:
        _telemetry._restart_in_child()  # noqa: SLF001 - the same
