"""Programs whose awaits are recorded, in this process, on a clock that goes on while they sleep."""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

from analysis.clocked import record
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.instrument.patches.table import all_patches, apply
from asyncctx_trace.instrument.rewriting.code_rewriter import original_of, rewritten
from asyncctx_trace.instrument.scope import Scope
from asyncctx_trace.recording.reader import read

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


def timeline_of(path: Path, main: Any) -> Timeline:
    """What the recording of the coroutine function ``main`` says."""
    path.unlink(missing_ok=True)
    with wakeups_recorded(), record(path) as run:
        run(main())
    return Timeline(read(path))
