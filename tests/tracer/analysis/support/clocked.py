"""A recording whose time passes only while its program sleeps, however busy the machine is."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asyncctx_trace.instrument import sinks
from asyncctx_trace.recording.writing.segments import create
from asyncctx_trace.recording.writing.writer import Recorder

__all__ = ["Hangs", "record"]

_FACT = 1_000
"""ns that every fact takes, so that one comes after the other."""


class Hangs(Exception):
    """Nothing is left that could wake the event loop."""


class Clock:
    """A time that goes on when it is told to, in ns."""

    def __init__(self) -> None:
        self.now = 1_000_000_000

    def tick(self) -> int:
        """The next moment."""
        self.now += _FACT
        return self.now


@contextmanager
def record(
    path: Path, pause: Callable[[int], None] | None = None
) -> Iterator[Callable[[Coroutine[Any, Any, None]], None]]:
    """Record to ``path`` whatever is run by what this gives.

    ``pause`` is called with the time whenever all tasks wait. Then a program that hangs for ever
    raises :class:`Hangs`.
    """
    clock = Clock()
    create(path)
    recorder = _Recorder(path, clock)
    sinks.attach(recorder)
    try:
        with asyncio.Runner(loop_factory=lambda: _Loop(clock, pause)) as runner:
            yield runner.run
    finally:
        sinks.detach(recorder)
        recorder.close()


class _Recorder(Recorder):
    """Stamps what it hears with a time of its own."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        super().__init__(path)

    def _write(self, what: str, /, **fields: object) -> None:
        if "at" in fields:
            fields["at"] = self._clock.now
        super()._write(what, **fields)

    def enter_started(self, at: int, *fact: Any) -> None:
        super().enter_started(self._clock.tick(), *fact)

    def enter_ended(self, at: int, *fact: Any) -> None:
        super().enter_ended(self._clock.tick(), *fact)

    def exit_started(self, at: int, *fact: Any) -> None:
        super().exit_started(self._clock.tick(), *fact)

    def exit_ended(self, at: int, *fact: Any) -> None:
        super().exit_ended(self._clock.tick(), *fact)

    def release_unmatched(self, at: int, *fact: Any) -> None:
        super().release_unmatched(self._clock.tick(), *fact)

    def collected(self, at: int, acquisition: int) -> None:
        super().collected(self._clock.tick(), acquisition)

    def wait_started(self, at: int, *values: Any) -> None:
        super().wait_started(self._clock.tick(), *values)

    def wait_target(self, at: int, *values: Any) -> None:
        super().wait_target(self._clock.tick(), *values)

    def wait_ended(self, at: int, *values: Any) -> None:
        super().wait_ended(self._clock.tick(), *values)

    def task_ended(self, at: int, task: int) -> None:
        super().task_ended(self._clock.tick(), task)


class _Loop(asyncio.SelectorEventLoop):
    """Where nobody has anything to do, it is at once the time at which somebody has."""

    def __init__(self, clock: Clock, pause: Callable[[int], None] | None) -> None:
        self._clock = clock
        super().__init__(_Selector(clock, pause))

    def time(self) -> float:
        return self._clock.now / 1e9


class _Selector(selectors.DefaultSelector):
    def __init__(self, clock: Clock, pause: Callable[[int], None] | None) -> None:
        self._clock = clock
        self._pause = pause
        self._hangs = pause is not None
        super().__init__()

    def _before_time_passes(self) -> None:
        if self._pause is not None:
            self._pause(self._clock.now)

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout > 0:
            self._before_time_passes()
            self._clock.now += round(timeout * 1e9)
            timeout = 0
        if timeout is None and self._hangs:
            ready = super().select(0)
            if not ready:
                self._before_time_passes()
                raise Hangs
            return ready
        return super().select(timeout)
