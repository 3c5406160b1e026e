"""Deliver each event to the attached sinks, and survive a sink that fails.

A hook that begins an acquisition asks ``active_sink()``, which runs pending provider discovery.
What follows of that acquisition, and every definition, goes to ``active.sink``, read anew each
time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FunctionType
from typing import cast

from asyncctx_trace.instrument.hidden_frames import hidden, hide
from asyncctx_trace.model.sink import Sink
from asyncctx_trace.native import accelerated

__all__ = [
    "FanOutSink",
    "Sink",
    "active",
    "active_sink",
    "attach",
    "count_missed",
    "detach",
    "disable_sink",
    "ensure_stack",
    "failures",
    "hook_failed",
    "interrupted",
    "on_attach",
    "send_definitions",
    "set_provider_discovery",
]


class FanOutSink:
    """Deliver each event to several sinks; one that raises is disabled alone."""

    def __init__(self, sinks: list[Sink]) -> None:
        self.sinks = sinks

    def __getattr__(self, event: str) -> Callable[..., None]:
        methods = [(sink, getattr(sink, event)) for sink in self.sinks]

        def deliver(*values: object) -> None:
            for sink, method in methods:
                try:
                    method(*values)
                except Exception as error:
                    disable_sink(sink, error)

        deliver = hidden(deliver)
        # Cached on the instance: the next look-up does not reach `__getattr__`.
        self.__dict__[event] = deliver
        return deliver


class ActiveSink:
    """The cell in which the hooks, in Python and in C, find the sink at each event."""

    __slots__ = ("provider_discovery", "sink", "uncounted")

    def __init__(self) -> None:
        self.sink: Sink | None = None
        """The sink that receives events now; ``None`` while none is attached."""
        self.provider_discovery: Callable[[], object] | None = None
        """Called before each enter while it may still attach a sink; ``None`` once it is over."""
        self.uncounted = 0
        """Missed events of which the sink could not be told: the stack had no frame for the call.
        A hook adds to it what it could not even begin to deliver."""


active = ActiveSink()
"""The one cell. C code reads its slots."""
failures = 0
"""How many sinks have been disabled because they raised."""

_sinks: list[Sink] = []
_senders: list[Callable[[Sink], None]] = []
_lock = threading.RLock()
_DEFINING = 40
"""More frames than it takes to define something, even if that recycles a segment."""


@accelerated
@hidden
def active_sink() -> Sink | None:
    """Return the sink that receives events, ``None`` for none; runs pending provider discovery.

    Call it before each enter. Never keep the result: sinks are attached and detached while the
    program runs.
    """
    if active.provider_discovery is not None:
        active.provider_discovery()
    return active.sink


def set_provider_discovery(discover: Callable[[], object] | None) -> None:
    """Have ``discover`` called before each enter: it may attach a sink, and then ends itself.

    Args:
        discover: Looks for a provider of telemetry; ``None`` ends the discovery.
    """
    with _lock:
        active.provider_discovery = discover


def on_attach(send: Callable[[Sink], None]) -> None:
    """Have ``send`` give every newly attached sink the definitions made before it came."""
    _senders.append(send)


def attach(sink: Sink) -> None:
    """Deliver every later event to ``sink``, after the definitions made so far."""
    with _lock:
        send_definitions(sink)
        _hide_methods(type(sink))
        _sinks.append(sink)
        _select()


def _hide_methods(cls: type) -> None:
    """Hide from debuggers what a sink does on the program's task."""
    from asyncctx_trace.model.event_schema import EVENTS  # not needed without a sink

    for schema in EVENTS:
        method = getattr(cls, schema.method, None)
        if isinstance(method, FunctionType):
            hide(method)


def send_definitions(sink: Sink) -> None:
    """Send ``sink`` every definition that later events may refer to."""
    for send in _senders:
        send(sink)


def interrupted(at: int, pid: int, reason: str) -> None:
    """Tell the sinks that note it that something began to end process ``pid``.

    Args:
        at: When, in monotonic ns.
        pid: The process.
        reason: What ends it, such as ``"SIGINT"``.
    """
    for sink in tuple(_sinks):
        note = getattr(sink, "interrupted", None)
        if note is not None:
            try:
                note(at, pid, reason)
            except Exception as error:
                disable_sink(sink, error)


def detach(sink: Sink) -> None:
    """Deliver nothing more to ``sink``; no error if it is not attached."""
    with _lock:
        if sink in _sinks:
            _count_uncounted()
            _sinks.remove(sink)
        _select()


def disable_sink(sink: Sink | FanOutSink | None, error: BaseException) -> None:
    """Detach a sink that raised, log it once, and count it in ``failures``.

    A sink with ``stop_recording`` stays attached, to count what it no longer records; if it raises
    again, it is detached too. A RecursionError or MemoryError is the program's state and not the
    sink's fault: the sink stays and counts a missed event.
    """
    global failures
    if isinstance(error, (RecursionError, MemoryError)):
        count_missed(sink)
        return
    with _lock:
        if sink not in _sinks:
            return
        failures += 1
        if not _stop_recording(sink, error):
            _sinks.remove(sink)
            _select()
    import logging  # a tenth of our import time, and seldom needed

    log = logging.getLogger("asyncctx_trace")
    if isinstance(error, OSError):  # the disk is full, the file truncated: no fault of the sink
        log.error("asyncctx-trace: the recording stops here: %s", error)
        return
    log.error(
        "asyncctx-trace: %s raised and is disabled; the program continues without it",
        type(sink).__name__,
        exc_info=error,
    )


def hook_failed(error: BaseException) -> None:
    """Disable every attached sink: one of our own hooks raised, and nothing it says is reliable."""
    sink = active.sink
    for receiver in sink.sinks if isinstance(sink, FanOutSink) else [sink]:
        disable_sink(receiver, error)


def _stop_recording(sink: Sink | FanOutSink | None, error: BaseException) -> bool:
    """Return whether ``sink`` stays attached to count what it loses."""
    stop = getattr(sink, "stop_recording", None)
    if stop is None or getattr(sink, "stopped", False):
        return False
    try:
        stop(error)
        count_missed(sink)
    except Exception:
        return False
    return True


def count_missed(sink: Sink | FanOutSink | None) -> None:
    """Have ``sink`` count one event that could not be delivered, if it counts them."""
    for receiver in sink.sinks if isinstance(sink, FanOutSink) else [sink]:
        missed = getattr(receiver, "missed", None)
        if missed is not None:
            try:
                missed()
            except Exception:  # there may still be no stack or memory for the call
                active.uncounted += 1
                return
    _count_uncounted()


def _count_uncounted() -> None:
    """Have the sinks count what could not be counted when it was missed."""
    missed, active.uncounted = active.uncounted, 0
    for _ in range(missed):
        count_missed(active.sink)


def ensure_stack(frames: int = _DEFINING) -> None:
    """Raise RecursionError unless so many more frames fit on the stack.

    Called before something is registered and defined: a half-made definition would leave every
    later event of it without a name.
    """
    if frames:
        ensure_stack(frames - 1)


def _select() -> None:
    match _sinks:
        case []:
            active.sink = None
        case [sink]:
            active.sink = sink
        case _:
            # Each delivers through it; whether it fulfils the protocol shows at its first event.
            active.sink = cast("Sink", FanOutSink(list(_sinks)))
