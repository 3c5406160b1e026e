"""The instrumentor that ``opentelemetry-instrument`` loads."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from asyncctx_trace.instrument.rewriting.import_hook import install, install_at_start, uninstall
from asyncctx_trace.otel.telemetry import Telemetry, configure

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["AsyncctxTraceInstrumentor"]


class AsyncctxTraceInstrumentor:
    """Make spans of every ``async with`` of the program's own modules.

    It has the interface of OpenTelemetry's ``BaseInstrumentor`` and does not import it.
    """

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
        **_: Any,
    ) -> None:
        """Start tracing.

        Args:
            tracer_provider: As for :func:`asyncctx_trace.configure`.
            meter_provider: As for :func:`asyncctx_trace.configure`.
            include: As for :func:`asyncctx_trace.install`.
            exclude: As for :func:`asyncctx_trace.install`.
            all: As for :func:`asyncctx_trace.install`.
        """
        if self._telemetry is not None:
            logging.getLogger(__name__).warning(
                "asyncctx-trace is already instrumented: call uninstrument() first"
            )
            return
        if _main_module_runs():
            install(include, exclude, all, spans=True)
        else:
            install_at_start(include, exclude, all, spans=True)
        AsyncctxTraceInstrumentor._telemetry = configure(
            tracer_provider=tracer_provider, meter_provider=meter_provider
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
