"""Watch the waits of tasks that the program makes of a library's coroutine.

``create_task(queue.get())``, ``nursery.start_soon(event.wait)``: no line of the program suspends
in that task, so the listed functions of the library call us, and it counts as a wait at the line
that made the task.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import CodeType
from typing import Any

from asyncctx_trace.instrument.hidden_frames import as_hook, hidden
from asyncctx_trace.instrument.patches import spawned_tasks
from asyncctx_trace.instrument.registry import tasks
from asyncctx_trace.instrument.rewriting.awaits import hook_awaits
from asyncctx_trace.instrument.rewriting.bytecode import Assembly, make
from asyncctx_trace.instrument.waits import await_hooks
from asyncctx_trace.instrument.waits.subjects import LISTED, Awaiting, listed, subject_of_call
from asyncctx_trace.model.waits import WaitKind
from asyncctx_trace.native import accelerated

__all__ = ["functions_to_watch"]

_MORE_STACK = 10
_LIBRARIES = ("asyncio", "trio")
"""Those that run the coroutine of a task as it is."""


def functions_to_watch() -> Iterator[tuple[str, str, Any]]:
    """Yield module, qualified name and change of code of the functions in ``LISTED``.

    Left out are those that only another function of the same library awaits, and acquiring by
    call, which is an acquisition. trio's conditions are watched in any task.
    """
    for (module, function), awaiting in LISTED.items():
        internal = "<locals>" in function or "._" in function or function.endswith("__aexit__")
        library = module.partition(".")[0]
        internal = internal or (library, awaiting.kind) == ("trio", WaitKind.CONDITION)
        if library in _LIBRARIES and awaiting.kind is not WaitKind.LOCK and not internal:
            yield module, function, partial(_watching, awaiting)


def _watching(awaiting: Awaiting, code: CodeType, *consts: object) -> CodeType:
    """Return ``code`` that calls us before it suspends."""
    assembly = Assembly(code)
    count = code.co_argcount + code.co_kwonlyargcount
    loads = (
        assembly.const(code.co_name),
        *(
            make("LOAD_DEREF" if name in code.co_cellvars else "LOAD_FAST", number)
            for number, name in enumerate(code.co_varnames[:count])
        ),
    )
    hook_awaits(assembly, as_hook(suspending_inside), lambda _: awaiting, loads=loads)
    return assembly.assembled(*consts, stack=_MORE_STACK)


@accelerated
@hidden
def suspending_inside(awaiting: Awaiting, value: Any, method: str, *arguments: Any) -> None:
    """Publish that ``method`` of a library, called with ``arguments``, has yielded ``value``."""
    made = spawned_tasks.origin()
    if made is None or value is None:
        return
    outermost = listed(tasks.running()[1])
    if outermost is None or outermost is awaiting:
        await_hooks.suspended(made.site, value, subject_of_call, awaiting, value, method, arguments)
