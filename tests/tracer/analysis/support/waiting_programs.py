"""Programs whose awaits are recorded, in this process, on a clock that goes on while they sleep."""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

from analysis.support.clocked import Hangs, record
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.instrument.patches.patch_table import all_patches, apply
from asyncctx_trace.instrument.registry.tasks import note_finished
from asyncctx_trace.instrument.rewriting.code_rewriter import original_of, rewritten
from asyncctx_trace.instrument.scope import Scope
from asyncctx_trace.model.events import (
    Event,
    ProcessDefined,
    Quiescent,
    ResourceDefined,
    SiteDefined,
)
from asyncctx_trace.recording.reading.reader import read

__all__ = ["compiled", "timeline_of", "wakeups_recorded"]

_FILE = "<waiting program>"
_WAKES = asyncio.base_events.BaseEventLoop.call_soon


class _Own(Scope):
    """The programs compiled here, and nothing else."""

    def _decide(self, file: str) -> bool:
        return file == _FILE


def compiled(source: str) -> dict[str, Any]:
    """The functions in ``source``, which publish what they acquire and await."""
    source = dedent(source)
    linecache.cache[_FILE] = (len(source), None, source.splitlines(True), _FILE)
    namespace: dict[str, Any] = {"asyncio": asyncio}
    exec(rewritten(compile(source, _FILE, "exec"), _Own()), namespace)
    return namespace


@contextmanager
def wakeups_recorded() -> Iterator[None]:
    """The event loop publishes whom it wakes."""
    code = _WAKES.__code__
    for patch in all_patches(_Own()):
        if patch.function == "BaseEventLoop.call_soon":
            apply(patch)
    try:
        yield
    finally:
        _WAKES.__code__ = original_of(code)


def timeline_of(path: Path, main: Any, pause: Callable[[int], None] = lambda at: None) -> Timeline:
    """What the recording of the coroutine function ``main`` says.

    It ends when the program hangs, with the note that nothing can wake it. ``pause`` is called with
    the time (ns) whenever all tasks wait.
    """
    path.unlink(missing_ok=True)
    events: list[Event] | None = None
    with wakeups_recorded(), record(path, pause) as run:
        try:
            run(main())
        except Hangs:
            note_finished(0, holders_only=False)  # as the watchdog does
            events = list(read(path))
            at = max(event.at for event in events if not isinstance(event, _WITHOUT_TIMES))
            processes = [each.process for each in events if isinstance(each, ProcessDefined)]
            events.append(Quiescent(at, at, processes[0]))
    return Timeline(list(read(path)) if events is None else events)


_WITHOUT_TIMES = (ResourceDefined, SiteDefined)
