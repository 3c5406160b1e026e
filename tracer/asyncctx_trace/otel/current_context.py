"""Read and set the current OpenTelemetry context with as few calls as possible."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from opentelemetry import context as api
from opentelemetry.context import Context

__all__ = ["current", "make_current"]


def _accessors() -> tuple[Callable[[], Context], Callable[[Context], object]]:
    """Return functions that get and set the current context.

    By default the context is in a ContextVar, which is used directly: that saves two calls each.
    ``OTEL_PYTHON_CONTEXT`` may select another implementation, which is used through the API.
    """
    runtime: Any = getattr(api, "_RUNTIME_CONTEXT", None)
    variable = getattr(runtime, "_current_context", None)
    if type(runtime).__name__ == "ContextVarsRuntimeContext" and type(variable) is ContextVar:
        return variable.get, variable.set
    return api.get_current, api.attach


current, make_current = _accessors()
