"""Rewrites a file of the program that a debugger, a profiler or the like executes.

``python -m pdb app.py`` runs pdb, which compiles ``app.py`` and passes the code to ``exec``. The
interpreter raises the audit event ``exec`` with each such code object just before it runs; the
functions among its constants are exchanged then, as in the interpreter's own main module. An
audit hook has no frame that a tracer or a profiler could see.

A hook cannot be removed and is called for every audit event, so there is one only in programs
that are started by way of another program.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

from asyncctx_trace.instrument.hidden_frames import suspended
from asyncctx_trace.instrument.rewriting import main_module
from asyncctx_trace.instrument.scope import Scope

__all__ = ["is_launcher", "module_details", "rewrite_executed", "stop"]

_LEFT_ALONE = frozenset({"profile"})
"""It makes the code a key before it executes it, and writes it to its file: neither the hash of
the code may change nor the constants that ``marshal`` has to write."""

_PROGRAM = Scope()
"""The files that are the program's own, whatever the settings include or exclude."""

_scope: Scope | None = None
"""What is rewritten when it is executed, ``None`` for nothing."""
_hooked = False


def is_launcher(file: str) -> bool:
    """Return whether ``file``, run as the main module, is likely to execute another program.

    It is the library's or an installed package's, or a command such as ``bin/coverage``.
    """
    return not file.startswith("<") and (file not in _PROGRAM or not file.endswith((".py", ".pyw")))


def rewrite_executed(scope: Scope) -> None:
    """Rewrite what is in ``scope`` of every code object that is executed from now on."""
    global _hooked, _scope
    _scope = scope
    if not _hooked:
        _hooked = True
        sys.addaudithook(_audit)


def stop() -> None:
    """Leave the code that is executed from now on as it is."""
    global _scope
    _scope = None


def module_details(scope: Scope) -> Callable[[Any], Any]:
    """Return what ``runpy._get_module_details`` passes its result through: name, spec, code."""

    @suspended
    def look(details: Any) -> Any:
        if type(details) is tuple and len(details) == 3 and type(details[2]) is CodeType:
            name, _, code = details
            if name not in _LEFT_ALONE and is_launcher(code.co_filename):
                rewrite_executed(scope)
        return details

    return look


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "exec" or _scope is None:
        return
    code = arguments[0]
    if type(code) is not CodeType or code.co_filename.startswith("<"):
        return
    try:
        if code.co_filename in _scope:
            main_module.exchange(code, _scope)
    except Exception as error:  # whatever an audit hook raises goes to the program
        logging.getLogger("asyncctx_trace").warning(
            "asyncctx-trace: %s is not traced: %s", code.co_filename, error
        )
