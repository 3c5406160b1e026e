"""The OpenTelemetry context that is current, by the shortest way there is."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from opentelemetry import context as api
from opentelemetry.context import Context

__all__ = ["current", "make_current"]


def _ways() -> tuple[Callable[[], Context], Callable[[Context], object]]:
    """To read it, and to set it: two calls less each where it lies in a ContextVar, as it does
    unless OTEL_PYTHON_CONTEXT names something else."""
    runtime: Any = getattr(api, "_RUNTIME_CONTEXT", None)
    variable = getattr(runtime, "_current_context", None)
    if type(runtime).__name__ == "ContextVarsRuntimeContext" and type(variable) is ContextVar:
        return variable.get, variable.set
    return api.get_current, api.attach


current, make_current = _ways()
