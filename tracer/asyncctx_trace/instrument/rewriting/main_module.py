"""Exchange the functions inside a module's code before the module has run.

The interpreter compiles the main script in C, where no hook is called. But what it then runs is the
body of a module, which cannot contain an ``async with``: those are in functions, whose code objects
are constants of the module's code until the body creates the functions. So it is enough to exchange
the constants before the body runs: the interpreter runs its own code object, with its own
``__main__``, loader, import path and tracebacks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from asyncctx_trace.instrument.rewriting.code_rewriter import original_of, rewritten
from asyncctx_trace.instrument.scope import Scope

__all__ = ["exchange", "exchange_in_main", "restore"]


_exchanged: list[CodeType] = []


def exchange(code: CodeType, scope: Scope) -> None:
    """Replace the code objects among the constants of ``code`` with rewritten ones."""
    found = [
        (index, new)
        for index, const in enumerate(code.co_consts)
        if isinstance(const, CodeType) and (new := rewritten(const, scope)) is not const
    ]
    if not found:
        return
    for index, new in found:
        _put(code.co_consts, index, new)
    _exchanged.append(code)


def restore() -> None:
    """Put the original code objects back, for functions that are still to be created."""
    while _exchanged:
        code = _exchanged.pop()
        for index, const in enumerate(code.co_consts):
            if isinstance(const, CodeType) and original_of(const) is not const:
                _put(code.co_consts, index, original_of(const))


def _put(items: tuple[object, ...], index: int, new: CodeType) -> None:
    import ctypes

    # A tuple's items follow its header. The old one keeps its reference, since something may
    # still point to it: about a hundred bytes per function, once.
    slot = ctypes.c_void_p.from_address(
        id(items) + tuple.__basicsize__ + index * ctypes.sizeof(ctypes.c_void_p)
    )
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(new))
    slot.value = id(new)


def exchange_in_main(scope: Scope, begun: Callable[[str], None]) -> None:
    """Rewrite the main module when it begins, which is when this interpreter has started.

    ``begun`` is called with the name of its file.
    """

    def watch(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if (
            event == "call"
            and code.co_name == "<module>"
            and frame.f_globals.get("__name__") == "__main__"
        ):
            sys.setprofile(None)
            exchange(code, scope)
            begun(code.co_filename)

    sys.setprofile(watch)
