"""What runs on a CPython in WebAssembly, told random programs as JSON: prints ``ok`` or fails.

There are no processes, so a script runs both ways in one; and no sockets, so the event loop has
to do without.
"""

from __future__ import annotations

import asyncio
import asyncio.base_events
import contextlib
import io
import json
import linecache
import re
import sys
import traceback
import types
from collections.abc import Coroutine
from textwrap import dedent
from typing import Any

sys.path[:0] = ["/checkout/tracer", "/checkout/tests"]
_TOLD: str = globals()["told"]

_NEEDS_A_PROCESS = {"the interpreter's own way to run a script"}


class _Nothing:
    """A selector of nothing."""

    def select(self, timeout: float | None = None) -> list[Any]:
        return []


class Loop(asyncio.base_events.BaseEventLoop):
    """An event loop for tasks and timers."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Nothing()

    def _process_events(self, events: object) -> None: ...
    def _write_to_self(self) -> None: ...
    async def shutdown_default_executor(self, *_: object) -> None: ...


def run(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(main)


asyncio.run = run  # type: ignore[assignment]
asyncio.events._set_running_loop(None)  # this thread is inside of Pyodide's own


def script(text: str, traced: bool) -> tuple[str, int]:
    """What a script printed, its last traceback included; how many acquisitions were told of."""
    from asyncctx_trace.instrument.operations import operations, perform
    from asyncctx_trace.instrument.program import functions, original_of, rewritten
    from asyncctx_trace.instrument.scope import Scope
    from instrument.listening import listening

    file = "/script.py"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    main = types.ModuleType("__main__")
    main.__file__ = "/checkout/README.md"  # it wants to open something
    code: Any = compile(text, file, "exec")
    output = io.StringIO()
    before, sys.modules["__main__"] = sys.modules["__main__"], main
    scope = Scope()
    if traced:
        code = rewritten(code, scope)
        for operation in operations(scope):
            if operation.module in ("contextlib", "asyncio.locks"):
                perform(operation)
    try:
        with (
            listening() if traced else contextlib.nullcontext() as heard,
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(output),
        ):
            try:
                exec(code, main.__dict__)
            except BaseException:
                traceback.print_exc()
    finally:
        sys.modules["__main__"] = before
        for function in list(functions()):
            function.__code__ = original_of(function.__code__)
    begun = sum(fact[0] == "wait" for fact in heard.facts) if heard is not None else 0
    return re.sub(r"0x[0-9a-f]+", "?", output.getvalue()), begun


def main() -> None:
    from instrument.random_programs import runs_the_same
    from instrument.scripts import MANAGER, SCRIPTS

    for name, (body, expected) in SCRIPTS.items():
        if name not in _NEEDS_A_PROCESS:
            text = MANAGER + dedent(body)
            plain, _ = script(text, traced=False)
            traced, acquisitions = script(text, traced=True)
            assert traced == plain, (name, plain, traced)
            assert acquisitions == expected or (expected is None and acquisitions), name
    for text in json.loads(_TOLD):
        runs_the_same(text)
    print("ok", sys.version_info[:2])


main()
