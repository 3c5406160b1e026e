"""Run parts of ``every_construct`` under a tracer or profiler, and print every event it reports.

``python observed.py settrace|setprofile|monitoring PART...``
"""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TRACED = "asyncctx_trace" in sys.modules
"""Whether this process is recorded: otherwise ``traced`` does nothing."""

if importlib.util.find_spec("trio") is not None:
    import trio._core._run as trio_run

    # As trio's own tests do.
    vars(trio_run)["_ALLOW_DETERMINISTIC_SCHEDULING"] = True
    trio_run._r.seed(0)  # noqa: SLF001 - see above

    async def warm() -> None:
        """Fill the caches of abstract classes, which other code asks too."""
        async with trio_run.open_nursery():
            with trio_run.CancelScope(deadline=0):
                await trio_run.checkpoint()

    trio_run.run(warm)

import every_construct  # type: ignore[import-not-found]  # noqa: E402 - this runs as a script

from asyncctx_trace import untraced  # noqa: E402 - after trio's settings

if not TRACED:
    every_construct.traced = untraced

reported: list[str] = []
IGNORED = {
    # There are more instructions in rewritten code: its own bytes are what differs.
    "INSTRUCTION",
    # It stands for BRANCH_LEFT and BRANCH_RIGHT.
    *(["BRANCH"] if sys.version_info >= (3, 14) else []),
}


def place(code: types.CodeType, line: int | None) -> str:
    """Return file, line and function of a frame."""
    ours = "asyncctx_trace/" if "asyncctx_trace" in Path(code.co_filename).parts else ""
    return f"{ours}{Path(code.co_filename).name} {code.co_qualname} {line}"


def note(event: str, code: types.CodeType, line: int | None, *more: object) -> None:
    """Note an event."""
    reported.append(" ".join(map(str, (event, place(code, line), *more))))


def name_of(thing: object) -> str:
    """Return the name of what is called or raised."""
    return str(getattr(thing, "__qualname__", None) or type(thing).__qualname__)


def tracer(frame: types.FrameType, event: str, arg: Any) -> Any:
    """A trace and a profile function."""
    more = [name_of(arg)] if event.startswith("c_") else []
    if event == "exception":
        more = [name_of(arg[1])]
    note(event, frame.f_code, frame.f_lineno, *more)
    return tracer


def callback(name: str) -> Callable[..., None]:
    """Return the callback for events of this name."""

    def hears(code: types.CodeType, where: int, *fact: Any) -> None:
        line = where if name == "LINE" else line_at(code, where)
        more: list[object] = []
        if name in ("CALL", "C_RETURN", "C_RAISE"):
            more = [name_of(fact[0])]
        elif name in ("JUMP", "BRANCH", "BRANCH_LEFT", "BRANCH_RIGHT"):
            more = [line_at(code, fact[0])]
        elif fact and isinstance(fact[0], BaseException):
            more = [name_of(fact[0])]
        note(name, code, line, *more)

    return hears


def line_at(code: types.CodeType, offset: int) -> int | None:
    """Return the line of an instruction."""
    return next((line for start, end, line in code.co_lines() if start <= offset < end), None)


@contextmanager
def settrace() -> Iterator[None]:
    """A debugger."""
    sys.settrace(tracer)
    yield
    sys.settrace(None)


@contextmanager
def setprofile() -> Iterator[None]:
    """A profiler."""
    sys.setprofile(tracer)
    yield
    sys.setprofile(None)


@contextmanager
def monitoring() -> Iterator[None]:
    """Install a monitoring tool that subscribes to every event."""
    tool: Any = vars(sys)["monitoring"]  # since CPython 3.12
    events = 0
    if tool.get_tool(1) is None:
        tool.use_tool_id(1, "everything")
    for name, event in vars(tool.events).items():
        if event and name not in IGNORED:
            tool.register_callback(1, event, callback(name))
            events |= event
    tool.set_events(1, events)
    yield
    tool.set_events(1, 0)


if __name__ == "__main__":
    gc.disable()
    for part in sys.argv[2:]:
        reported.append(f"= {part}")
        with globals()[sys.argv[1]]():
            every_construct.PARTS[part]()
    sys.stdout.write("\n".join(reported) + "\n")
    sys.stdout.flush()
    os._exit(0)
