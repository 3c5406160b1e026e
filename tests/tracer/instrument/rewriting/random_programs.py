"""Random programs whose managers log what happens to them in the form of ``EventLog``."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from asyncctx_trace.instrument.patches.acquire_release import forget_scope
from asyncctx_trace.instrument.patches.patch_table import all_patches, apply
from asyncctx_trace.instrument.rewriting.code_rewriter import functions, original_of, rewritten
from asyncctx_trace.instrument.scope import Scope
from asyncctx_trace.model.outcomes import outcome_of
from instrument.event_log import log_events

__all__ = ["program", "runs_the_same"]


def program(statements: Any) -> str:
    """Return the source of a program with these statements."""
    return "async def main(away):\n" + "\n".join(source(statements))


def source(statements: Any, depth: int = 1) -> Iterator[str]:
    """Yield the lines of a program."""
    pad = "    " * depth
    yield f"{pad}pass"
    for number, (kind, *parts) in enumerate(statements):
        lines = STATEMENTS[kind](f"{depth}{number}", *parts)
        for line in lines:
            if isinstance(line, str):
                yield pad + line
            else:
                indent, body = line
                yield from source(body, depth + indent)


Lines = Iterator[str | tuple[int, Any]]
"""Lines of a statement, and its blocks: by how many levels they are indented, and statements."""


def cancel(_: str) -> Lines:
    yield "asyncio.current_task().cancel()"
    yield "await asyncio.sleep(0)"


def with_(_: str, items: Any, body: Any) -> Lines:
    made = ", ".join(f"M(log, {item!r}) as m{i}" for i, item in enumerate(items))
    yield f"async with {made}:"
    yield 1, body


def stack(_: str, items: Any, body: Any) -> Lines:
    yield "async with Stack(log) as stack:"
    for item in items:
        yield f"    await stack.enter_async_context(M(log, {item!r}))"
    yield 1, body


def protocol(name: str, item: Any, body: Any) -> Lines:
    manager, failed = f"m{name}", f"failed{name}"
    yield f"{manager} = M(log, {item!r})"
    yield f"await {manager}.__aenter__()"
    yield f"{failed} = False"
    yield "try:"
    yield 1, body
    yield "except BaseException as e:"
    yield f"    {failed} = True"
    yield f"    if not await {manager}.__aexit__(type(e), e, e.__traceback__):"
    yield "        raise"
    yield "finally:"
    yield f"    if not {failed}: await {manager}.__aexit__(*[None] * 3)"


def generator(name: str, item: Any, body: Any, early: bool) -> Lines:
    yield f"async def generator{name}(away=False):"
    yield f"    async with M(log, {item!r}):"
    yield "        yield 1"
    yield 2, body
    yield f"async with Closing(log, generator{name}()) as numbers:"
    yield "    async for x in numbers:"
    yield "        log.append(x)"
    yield f"        if {early}: break"


def locked(_: str, lock: Any, body: Any) -> Lines:
    yield f"if not locks[{lock!r}].locked():"
    yield f"    async with locks[{lock!r}]:"
    yield 2, body


def acquire(_: str, lock: Any) -> Lines:
    yield f"if not locks[{lock!r}].locked():"
    yield f"    await locks[{lock!r}].acquire()"


def release(_: str, lock: Any) -> Lines:
    yield f"try: locks[{lock!r}].release()"
    yield "except (RuntimeError, ValueError) as e: log.append(repr(e))"


def traced(_: str, item: Any, body: Any) -> Lines:
    yield f"async with traced(M(log, {item!r}), name='traced'):"
    yield 1, body


def tasks(name: str, bodies: Any) -> Lines:
    for index, body in enumerate(bodies):
        yield f"async def task{name}{index}(away=True):"
        yield 1, body
    made = ", ".join(f"task{name}{index}()" for index in range(len(bodies)))
    yield f"await asyncio.gather({made}, return_exceptions=True)"


def try_(_: str, body: Any, kind: str, after: Any) -> Lines:
    yield "try:"
    yield 1, body
    yield f"{'except Exception as e' if kind == 'except' else 'finally'}:"
    yield 1, after


def loop(_: str, body: Any, end: str) -> Lines:
    yield "for x in range(2):"
    yield 1, body
    yield f"    {end}"


STATEMENTS: dict[str, Callable[..., Iterable[str | tuple[int, Any]]]] = {
    "raise": lambda _, error: [f"raise {error}('body')"],
    "cancel": cancel,
    "await": lambda _: ["await asyncio.sleep(0)"],
    "return": lambda _: ["if away: return"],
    "with": with_,
    "stack": stack,
    "protocol": protocol,
    "generator": generator,
    "locked": locked,
    "acquire": acquire,
    "release": release,
    "traced": traced,
    "tasks": tasks,
    "try": try_,
    "loop": loop,
}
"""Kind of a statement -> function that takes a unique name and the parts of the statement."""


class Model:
    """Logs what happens to a manager, as an ``EventLog`` does."""

    log: list[Any]

    def begins(self) -> None:
        self.number = 1 + sum(isinstance(entry, tuple) and entry[0] == "wait" for entry in self.log)
        self.log.append(("wait", self.number))

    def logs(self, event: str, error: BaseException | None, *more: str) -> None:
        outcome = "ok" if error is None else outcome_of(error).name.lower()
        self.log.append((event, self.number, outcome, *more))


class M(Model):
    """A manager that follows its plan."""

    def __init__(self, log: list[Any], plan: dict[str, Any]) -> None:
        self.log, self.plan = log, plan

    async def __aenter__(self) -> M:
        self.begins()
        try:
            for _ in range(self.plan["awaits"]):
                await asyncio.sleep(0)
            if self.plan["enter"]:
                raise eval(self.plan["enter"])("enter")
        except BaseException as error:
            self.logs("enter", error)
            raise
        self.logs("enter", None)
        return self

    async def __aexit__(self, kind: Any, error: Any, tb: Any) -> object:
        self.logs("body", error)
        try:
            for _ in range(self.plan["awaits"]):
                await asyncio.sleep(0)
            result = self.end(error)
        except BaseException as failure:
            self.logs("exit", failure)
            raise
        self.logs("exit", None, *(["suppressed"] if error is not None and result else []))
        return result

    def end(self, error: BaseException | None) -> object:
        match self.plan["exit"]:
            case "suppress":
                return True
            case "raise":
                raise eval(self.plan["error"])("exit")
            case "replace" if error is not None:
                raise eval(self.plan["error"])("instead") from error
            case "same" if error is not None:
                raise error
            case "odd":
                return [0]
        return None


class Stack(contextlib.AsyncExitStack, Model):
    def __init__(self, log: list[Any]) -> None:
        super().__init__()
        self.log = log

    async def __aenter__(self) -> Stack:
        self.begins()
        self.logs("enter", None)
        return self

    async def __aexit__(self, *exc: Any) -> Any:
        return await logged_exit(self, exc, super().__aexit__(*exc))


class Closing(contextlib.aclosing[Any], Model):
    def __init__(self, log: list[Any], thing: Any) -> None:
        super().__init__(thing)
        self.made = thing
        self.log = log

    async def __aenter__(self) -> Any:
        self.begins()
        self.logs("enter", None)
        return self.made

    async def __aexit__(self, *exc: Any) -> None:
        await logged_exit(self, exc, super().__aexit__(*exc))


async def logged_exit(model: Model, exc: Any, awaitable: Any) -> Any:
    """Await the real exit and log its outcome."""
    model.logs("body", exc[1])
    try:
        result = await awaitable
    except BaseException as failure:
        model.logs("exit", failure)
        raise
    model.logs("exit", None, *(["suppressed"] if exc[1] is not None and result else []))
    return result


def run(code: Any) -> tuple[list[Any], str]:
    """Return what the program logged, and its result or the text of its chain of exceptions."""
    log: list[Any] = []
    namespace = {"asyncio": asyncio, "M": M, "Stack": Stack, "Closing": Closing, "log": log}
    exec(code, namespace)
    try:
        return log, repr(asyncio.run(namespace["main"](True)))  # type: ignore[operator]  # from exec
    except BaseException as error:
        return log, "".join(traceback.format_exception(error))


def runs_the_same(text: str) -> None:
    """Assert that hooks do not change a program, with and without a sink, and record it correctly.

    Compared are the outcome, the chain of exceptions with lines, and the order of calls.
    """
    with warnings.catch_warnings():
        # PEP 765: CPython 3.14 warns of what leaves a `finally` block by return or break.
        warnings.simplefilter("ignore", SyntaxWarning)
        plain = compile(text, "<string>", "exec")
    scope = Scope()
    with_hooks = rewritten(plain, scope)
    expected = run(plain)

    for patch in all_patches(scope):
        if patch.module == "contextlib":
            apply(patch)
    try:
        without_sink = run(with_hooks)
        with log_events() as received:
            traced = run(with_hooks)
    finally:
        for function in list(functions()):
            function.__code__ = original_of(function.__code__)
        forget_scope()

    assert traced == expected
    assert without_sink == expected
    assert received.events == [entry for entry in traced[0] if isinstance(entry, tuple)]
