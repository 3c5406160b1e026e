"""The table of functions that are operated on, in the interpreter and in others' libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import CodeType
from typing import Any

from asyncctx_trace.instrument.adapters import pairs
from asyncctx_trace.instrument.invisible import unobserved
from asyncctx_trace.instrument.pairs import Watch
from asyncctx_trace.instrument.program import original_of, rewritten
from asyncctx_trace.instrument.scope import Scope
from asyncctx_trace.instrument.stacks import standing_in
from asyncctx_trace.instrument.surgery import filtering_argument, filtering_result

__all__ = ["Operation", "operations"]

_IMPORT = "_frozen_importlib_external"
_PYTEST = "_pytest.assertion.rewrite"


@dataclass(frozen=True, slots=True)
class Operation:
    """What to do with one function, once its module is there."""

    module: str
    function: str
    """Qualified name in the module."""
    operate: Callable[..., CodeType]
    """code, constants to add -> code"""


def operations(scope: Scope) -> Iterator[Operation]:
    """All of them."""

    @unobserved
    def rewrite(value: Any) -> Any:
        if type(value) is CodeType:
            return rewritten(value, scope)
        if type(value) is tuple:  # the code with something that goes with it
            return tuple(rewritten(v, scope) if type(v) is CodeType else v for v in value)
        return value

    # Whoever hands out code that is about to run. None of it is ever written to a .pyc: the
    # interpreter has read, or written, its own before it comes by here.
    for module, function in (
        (_IMPORT, "SourceLoader.get_code"),
        (_IMPORT, "SourcelessFileLoader.get_code"),
        ("zipimport", "zipimporter.get_code"),
        ("runpy", "_get_code_from_file"),
        ("coverage.execfile", "make_code_from_py"),
        ("coverage.execfile", "make_code_from_pyc"),
        (_PYTEST, "_read_pyc"),
        (_PYTEST, "_rewrite_test"),
    ):
        yield Operation(module, function, partial(_result, rewrite))
    # pytest alone writes after that.
    yield Operation(_PYTEST, "_write_pyc", partial(_argument, "co", _unrewritten))
    yield Operation(
        "contextlib",
        "AsyncExitStack.enter_async_context",
        partial(_argument, "cm", unobserved(lambda manager: standing_in(manager, scope))),
    )
    for adapter, pair in pairs():
        watch = Watch(adapter, scope.__contains__)
        yield Operation(*_split(pair.acquire), watch.acquiring)
        yield Operation(*_split(pair.release), watch.releasing)


@unobserved
def _unrewritten(code: Any) -> Any:
    return original_of(code) if type(code) is CodeType else code


def _result(look: Callable[[Any], Any], code: CodeType, *consts: object) -> CodeType:
    return filtering_result(code, look, *consts)


def _argument(
    name: str, look: Callable[[Any], Any], code: CodeType, *consts: object
) -> CodeType:
    return filtering_argument(code, name, look, *consts)


def _split(path: str) -> tuple[str, str]:
    """``package.module.Class.method`` -> its module and the name in it."""
    module, cls, method = path.rsplit(".", 2)
    return module, f"{cls}.{method}"
