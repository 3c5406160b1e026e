"""Which acquisitions may become spans and metrics of the program's own telemetry.

Those that the program traces itself may: with ``traced()``, and by rewritten code after
``install()`` or under ``opentelemetry-instrument``. What only ``asyncctx-trace run`` or the pytest
plugin traces is recorded and leaves the program's telemetry alone, unless the user asks for spans.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["on_request", "request", "set_rewritten_code"]

requested = False
"""Whether anything may, so that it makes sense to look for a provider."""

rewritten_code = False
"""Whether acquisitions in rewritten code may, as well as those of ``traced()``."""

_callbacks: list[Callable[[], object]] = []


def on_request(callback: Callable[[], object]) -> None:
    """Call ``callback`` at the first request, or now if there has been one."""
    if requested:
        callback()
    else:
        _callbacks.append(callback)


def request() -> None:
    """Note that the program traces something itself."""
    global requested
    if requested:
        return
    requested = True
    for callback in _callbacks:
        callback()
    _callbacks.clear()


def set_rewritten_code(wanted: bool) -> None:
    """Include acquisitions in rewritten code, or leave them out."""
    global rewritten_code
    rewritten_code = wanted
    if wanted:
        request()
