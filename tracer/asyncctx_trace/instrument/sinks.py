"""Hands each fact to the sinks that listen, and survives a sink that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Protocol

from asyncctx_trace.instrument.hidden_frames import unobserve, unobserved

__all__ = [
    "Sink",
    "attach",
    "detach",
    "failures",
    "heard",
    "interrupted",
    "listening",
    "looking",
    "missed",
    "on_attach",
    "replay",
    "seek",
    "switch_off",
]


class Sink(Protocol):
    """Takes facts on the program's own task: stamp, keep, return; never wait.

    Times are monotonic ns. Ids are positive; ``0`` stands for "none". Definitions arrive before
    the first fact that names them. ``error`` is the live exception: read it, do not keep it.
    """

    def manager_defined(self, manager: int, name: str) -> None: ...
    def site_defined(
        self, site: int, file: str, line: int, function: str, text: str, caller: int = 0
    ) -> None: ...
    def resource_defined(
        self, resource: int, kind: str, name: str, capacity: int | None
    ) -> None: ...
    def task_defined(
        self, at: int, task: int, name: str, runtime: str, parent: int, thread: str
    ) -> None: ...
    def task_ended(self, at: int, task: int) -> None: ...
    def enter_started(
        self,
        at: int,
        acquisition: int,
        parent: int,
        task: int,
        manager: int,
        resource: int,
        site: int,
        flags: int = 0,
    ) -> None: ...
    def enter_ended(
        self, at: int, acquisition: int, outcome: int, error: BaseException | None
    ) -> None: ...
    def exit_started(
        self,
        at: int,
        acquisition: int,
        task: int,
        outcome: int,
        error: BaseException | None,
        site: int = 0,
    ) -> None: ...
    def exit_ended(
        self,
        at: int,
        acquisition: int,
        outcome: int,
        suppressed: bool,
        error: BaseException | None,
        flags: int = 0,
    ) -> None: ...
    def release_unmatched(self, at: int, task: int, resource: int, site: int) -> None: ...
    def collected(self, at: int, acquisition: int) -> None: ...


_MOMENTS = (
    "enter_started",
    "enter_ended",
    "exit_started",
    "exit_ended",
    "task_ended",
    "release_unmatched",
    "collected",
)


class _Tee:
    """Several sinks that look like one; each fails alone."""

    def __init__(self, sinks: list[Sink]) -> None:
        self.sinks = sinks

    def __getattr__(self, moment: str) -> Callable[..., None]:
        each = [(sink, getattr(sink, moment)) for sink in self.sinks]

        def publish(*fact: object) -> None:
            for sink, take in each:
                try:
                    take(*fact)
                except Exception as error:
                    switch_off(sink, error)

        publish = unobserved(publish)
        # Kept on the instance: the next lookup finds it without coming here.
        self.__dict__[moment] = publish
        return publish


listening: Sink | None = None
"""The sink of the moment, ``None`` while nobody listens. Read it anew for every fact."""

looking: Callable[[], object] | None = None
"""Looks for somebody who might want to listen; ``None`` where nobody is expected."""

failures = 0
"""How many sinks have been switched off because they raised."""

_sinks: list[Sink] = []
_replays: list[Callable[[Sink], None]] = []
_lock = threading.RLock()


def on_attach(tell: Callable[[Sink], None]) -> None:
    """Have ``tell`` give every newly attached sink the definitions made before it came."""
    _replays.append(tell)


def attach(sink: Sink) -> None:
    """Let ``sink`` hear every fact from now on, and first what is defined already."""
    with _lock:
        replay(sink)
        _hide(type(sink))
        _sinks.append(sink)
        _listen()


def _hide(cls: type) -> None:
    """Let a debugger step over what a sink does on the program's task."""
    for name in _MOMENTS:
        method = getattr(cls, name, None)
        if isinstance(method, FunctionType):
            unobserve(method)


def seek(look: Callable[[], object] | None) -> None:
    """Have ``look`` called before each enter: it may attach somebody, and then end the search."""
    global looking
    with _lock:
        looking = look
        _listen()


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Sink | None:
        # While somebody is looked for and nobody listens, `listening` is not there: whoever asks
        # for it comes by here. It costs those nothing who need not look.
        if name != "listening":
            raise AttributeError(name)
        if looking is not None:
            looking()
        return globals().get("listening")


_here = globals().get


@unobserved
def heard() -> Sink | None:
    """``listening``, for those who ask at every enter: it costs them less to look."""
    sink: Sink | None = _here("listening")
    if looking is not None:
        looking()
        sink = _here("listening")
    return sink


def replay(sink: Sink) -> None:
    """Tell ``sink`` every definition that still counts."""
    for each in _replays:
        each(sink)


def interrupted(at: int, pid: int, reason: str) -> None:
    """Tell the sinks that keep notes that somebody began to end process ``pid``."""
    for sink in tuple(_sinks):
        note = getattr(sink, "interrupted", None)
        if note is not None:
            try:
                note(at, pid, reason)
            except Exception as error:
                switch_off(sink, error)


def detach(sink: Sink) -> None:
    """Stop telling ``sink``; no error if it was not told anything."""
    with _lock:
        if sink in _sinks:
            _sinks.remove(sink)
        _listen()


def switch_off(sink: Sink | _Tee | None, error: BaseException) -> None:
    """Detach a sink that raised: the program goes on, the log says so once.

    A sink that has ``stop_recording`` stays, to count what it no longer takes; if it raises again,
    it is detached, too. A program that is at the end of its stack or its memory is no fault of the
    sink's: the sink notes that it missed a fact.
    """
    global failures
    if isinstance(error, (RecursionError, MemoryError)):
        missed(sink)
        return
    with _lock:
        if sink not in _sinks:
            return
        failures += 1
        if not _stops(sink, error):
            _sinks.remove(sink)
            _listen()
    import logging  # a tenth of our import time, and seldom needed

    logging.getLogger("asyncctx_trace").error(
        "asyncctx-trace: %s raised and is disabled; the program continues without it",
        type(sink).__name__,
        exc_info=error,
    )


def _stops(sink: Sink | _Tee | None, error: BaseException) -> bool:
    """Whether ``sink`` only counts from now on."""
    stop = getattr(sink, "stop_recording", None)
    if stop is None or getattr(sink, "stopped", False):
        return False
    try:
        stop(error)
        missed(sink)
    except Exception:
        return False
    return True


def missed(sink: Sink | _Tee | None) -> None:
    """Have ``sink`` note that it was not told a fact, if it keeps count."""
    for each in sink.sinks if isinstance(sink, _Tee) else [sink]:
        note = getattr(each, "missed", None)
        if note is not None:
            try:
                note()
            except Exception:  # there may still be no room for the call
                continue


def _listen() -> None:
    global listening
    match _sinks:
        case [] if looking is not None:
            globals().pop("listening", None)
        case []:
            listening = None
        case [sink]:
            listening = sink
        case _:
            listening = _Tee(list(_sinks))
