"""Rewrite the program's code objects, wherever the interpreter gets them from."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from types import CodeType, FunctionType

from asyncctx_trace.instrument.hidden_frames import as_hook
from asyncctx_trace.instrument.registry.sites import Site
from asyncctx_trace.instrument.rewriting.async_with import has_async_with, with_hooks
from asyncctx_trace.instrument.rewriting.awaits import has_awaits
from asyncctx_trace.instrument.rewriting.bytecode import UnsupportedCode
from asyncctx_trace.instrument.rewriting.hooks import HOOKS
from asyncctx_trace.instrument.rewriting.lock_calls import has_lock_calls
from asyncctx_trace.instrument.rewriting.lock_hooks import lock_proxy
from asyncctx_trace.instrument.rewriting.protocol_calls import has_protocol_calls
from asyncctx_trace.instrument.rewriting.protocol_hooks import PROTOCOL_HOOKS
from asyncctx_trace.instrument.scope import Scope
from asyncctx_trace.instrument.waits.await_hooks import suspending

__all__ = ["Original", "functions", "original_of", "rewritten"]


class Original:
    """The last constant of a rewritten code object: the original."""

    __slots__ = ("code",)

    def __init__(self, code: CodeType) -> None:
        self.code = code


def original_of(code: CodeType) -> CodeType:
    """Return ``code`` as the compiler made it."""
    last = code.co_consts[-1] if code.co_consts else None
    return last.code if type(last) is Original else code


def rewritten(code: CodeType, scope: Scope) -> CodeType:
    """Return ``code`` with hooks, also in functions inside it; itself if it needs none."""
    return _rewritten(code, scope) if code.co_filename in scope else code


def _rewritten(code: CodeType, scope: Scope) -> CodeType:
    if original_of(code) is not code:
        return code
    consts = [_rewritten(c, scope) if isinstance(c, CodeType) else c for c in code.co_consts]
    inside = any(new is not old for new, old in zip(consts, code.co_consts, strict=True))
    steering = scope.steering
    if steering is not None and not steering.wants(code.co_filename):
        steering = None
    hooked = (
        has_async_with(code)
        or has_lock_calls(code)
        or (has_awaits(code) and (scope.waits or steering is not None or has_protocol_calls(code)))
    )
    if not inside and not hooked:
        return code
    result = code.replace(co_consts=tuple(consts)) if inside else code
    if hooked:
        try:
            hook = as_hook(suspending) if scope.waits else None
            return with_hooks(
                result,
                HOOKS,
                Site,
                Original(code),
                waiting=hook,
                by_hand=PROTOCOL_HOOKS,
                locks=lock_proxy,
                steering=steering,
            )
        except (UnsupportedCode, LookupError) as error:
            logging.getLogger("asyncctx_trace").warning(
                "asyncctx-trace: %s in %s, line %d, is not traced: %s",
                code.co_qualname,
                code.co_filename,
                code.co_firstlineno,
                error,
            )
    return result.replace(co_consts=(*result.co_consts, Original(code)))


def functions() -> Iterator[FunctionType]:
    """Yield every function in this process."""
    return (thing for thing in gc.get_objects() if type(thing) is FunctionType)
