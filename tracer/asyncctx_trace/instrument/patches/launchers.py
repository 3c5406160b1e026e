"""Rewrite a file of the program that a debugger, a profiler or another launcher executes.

``python -m pdb app.py`` runs pdb, which compiles ``app.py`` and passes the code to ``exec``. The
interpreter raises the audit event ``exec`` with each such code object just before it runs; the
functions among its constants are exchanged then, as in the interpreter's own main module. An
audit hook has no frame that a tracer or a profiler could see.

An audit hook cannot be removed and is called for every audit event, so it is installed only in
programs that another program starts.
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
"""The program's own files, without regard to the settings."""

_scope: Scope | None = None
"""Files whose code is rewritten when it is executed; ``None`` for no files."""
_hooked = False


def is_launcher(file: str) -> bool:
    """Return whether ``file``, run as the main module, is likely to execute another program.

    It belongs to the standard library or an installed package, or is a command such as
    ``bin/coverage``.
    """
    return not file.startswith("<") and (file not in _PROGRAM or not file.endswith((".py", ".pyw")))


def rewrite_executed(scope: Scope) -> None:
    """Rewrite every code object of a file in ``scope`` that is executed from now on."""
    global _hooked, _scope
    _scope = scope
    if not _hooked:
        _hooked = True
        sys.addaudithook(_audit)


def stop() -> None:
    """Rewrite no more code objects when they are executed."""
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
    except Exception as error:  # what an audit hook raises would reach the program
        logging.getLogger("asyncctx_trace").warning(
            "asyncctx-trace: %s is not traced: %s", code.co_filename, error
        )
