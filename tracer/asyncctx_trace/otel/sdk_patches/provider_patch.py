"""The patch of a provider: it is flushed and shut down after its acquisitions were processed."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from asyncctx_trace.otel.sdk_patches.bounded_call import BoundedCall

if TYPE_CHECKING:
    from asyncctx_trace.otel.worker import Worker

__all__ = ["ProviderPatch"]

_TIMEOUT = "timeout_millis"


class ProviderPatch:
    """Replaces ``force_flush`` and ``shutdown`` of one provider object until it is removed.

    Both keep their time limit, however much there is to do, even if an exporter does not.
    """

    def __init__(self, provider: Any, worker: Worker) -> None:
        self._provider = provider
        self._worker = worker
        self._flush: Callable[..., Any] | None = getattr(provider, "force_flush", None)
        self._bounded_flush = BoundedCall(self._flush or _do_nothing)
        self._limit = _default_limit(self._flush)
        self._replaced: list[str] = []
        shutdown: Callable[..., Any] | None = getattr(provider, "shutdown", None)
        if self._flush is not None:
            self._replace("force_flush", self._force_flush)
        if shutdown is not None:
            self._replace("shutdown", self._shutdown_after(shutdown))

    def flush(self, limit: float | None) -> bool:
        """Empty the provider's queues within ``limit`` seconds; return whether that succeeded."""
        ended, _ = self._bounded_flush(limit)
        return ended

    def remove(self) -> None:
        """Restore the methods."""
        for name in self._replaced:
            vars(self._provider).pop(name, None)

    def _replace(self, name: str, method: Callable[..., Any]) -> None:
        if name not in vars(self._provider):
            setattr(self._provider, name, method)
            self._replaced.append(name)

    def _force_flush(self, *args: Any, **kwargs: Any) -> Any:
        assert self._flush is not None
        timeout = args[0] if args else kwargs.get(_TIMEOUT)
        limit = timeout / 1000 if isinstance(timeout, int | float) else self._limit
        if limit is None:
            return self._worker.drain() and self._flush(*args, **kwargs)
        deadline = time.monotonic() + limit
        if not self._worker.drain(limit=limit):
            return False
        remaining = max(0.0, deadline - time.monotonic())
        ended, flushed = self._bounded_flush(remaining, int(remaining * 1000))
        return ended and flushed

    def _shutdown_after(self, shutdown: Callable[..., Any]) -> Callable[..., Any]:
        def finish_and_shut_down(*args: Any, **kwargs: Any) -> Any:
            self._worker.finish()
            return shutdown(*args, **kwargs)

        return finish_and_shut_down


def _default_limit(flush: Callable[..., Any] | None) -> float | None:
    """Return the time limit (s) of a ``force_flush`` that is called without one."""
    try:
        default = inspect.signature(flush or _do_nothing).parameters[_TIMEOUT].default
    except (KeyError, TypeError, ValueError):
        return None
    return default / 1000 if isinstance(default, int | float) else None


def _do_nothing() -> bool:
    return True
