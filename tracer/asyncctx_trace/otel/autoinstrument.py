"""The instrumentor that ``opentelemetry-instrument`` loads."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from asyncctx_trace.instrument.rewriting.import_hook import install, install_at_start, uninstall
from asyncctx_trace.model.constants import MAX_TRACE_SPANS, NEW_TRACE_AFTER
from asyncctx_trace.otel.telemetry import QUEUE_LIMIT, Telemetry, configure

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["AsyncctxTraceInstrumentor", "InstrumentationOptions"]


@dataclass
class InstrumentationOptions:
    """What ``instrumentation/development.python.asyncctx_trace`` of OTEL_CONFIG_FILE may contain.

    OpenTelemetry reads the names of the fields, and refuses others. What is ``None`` is not passed
    to :meth:`AsyncctxTraceInstrumentor.instrument`, which describes them.
    """

    include: list[str] | None = None
    exclude: list[str] | None = None
    all: bool | None = None
    new_trace_after: float | None = None
    max_trace_spans: int | None = None
    queue_limit: int | None = None


class AsyncctxTraceInstrumentor:
    """Make spans of every ``async with`` of the program's own modules.

    It has the interface of OpenTelemetry's ``BaseInstrumentor`` and does not import it.
    """

    configuration: ClassVar[type[InstrumentationOptions]] = InstrumentationOptions
    """How declarative configuration checks options before it passes them."""
    _telemetry: ClassVar[Telemetry | None] = None
    """One for the process: two instrumentors would make all spans twice."""

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """Whether :meth:`instrument` is in effect."""
        return self._telemetry is not None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the required packages: none."""
        return ()

    def instrument(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        all: bool = False,
        new_trace_after: float = NEW_TRACE_AFTER,
        max_trace_spans: int = MAX_TRACE_SPANS,
        queue_limit: int = QUEUE_LIMIT,
        skip_dep_check: bool = False,
        **_: Any,
    ) -> None:
        """Start tracing.

        Args:
            tracer_provider: As for :func:`asyncctx_trace.configure`.
            meter_provider: As for :func:`asyncctx_trace.configure`.
            include: As for :func:`asyncctx_trace.install`.
            exclude: As for :func:`asyncctx_trace.install`.
            all: As for :func:`asyncctx_trace.install`.
            new_trace_after: As for :func:`asyncctx_trace.configure`.
            max_trace_spans: As for :func:`asyncctx_trace.configure`.
            queue_limit: As for :func:`asyncctx_trace.configure`.
            skip_dep_check: Set by ``opentelemetry-instrument``, which instruments everything again
                that OTEL_CONFIG_FILE has instrumented; ours is left as that file says.
        """
        if self._telemetry is not None:
            if skip_dep_check:
                return
            logging.getLogger(__name__).warning(
                "asyncctx-trace is already instrumented: call uninstrument() first"
            )
            return
        if _main_module_runs():
            install(include, exclude, all, spans=True)
        else:
            install_at_start(include, exclude, all, spans=True)
        AsyncctxTraceInstrumentor._telemetry = configure(
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
            new_trace_after=new_trace_after,
            max_trace_spans=max_trace_spans,
            queue_limit=queue_limit,
        )

    def uninstrument(self, **_: Any) -> None:
        """Stop tracing and restore the code and the providers."""
        telemetry = self._telemetry
        if telemetry is None:
            return
        AsyncctxTraceInstrumentor._telemetry = None
        uninstall()
        telemetry.close()


def _main_module_runs() -> bool:
    """Return whether the main module runs already, not only the start of the interpreter."""
    main = sys.modules.get("__main__")
    return getattr(main, "__file__", None) is not None or hasattr(sys, "ps1")
