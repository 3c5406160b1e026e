"""What the exception handlers around an instruction do, found in the bytecode of every version."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from types import AsyncGeneratorType, CodeType
from typing import Any, cast

import pytest

from asyncctx_trace.instrument.rewriting import exception_handlers
from asyncctx_trace.instrument.rewriting.code_rewriter import rewritten
from asyncctx_trace.instrument.scope import Scope

closed: list[str] = []
registry: dict[str, object] = {}
lock = asyncio.Lock()


async def close() -> None:
    """An await in an exit."""
    await asyncio.sleep(60)


async def plain() -> None:
    await close()
    closed.append("done")


async def with_finally() -> None:
    try:
        await close()
    finally:
        closed.append("done")


async def with_bare_except() -> None:
    try:
        await close()
    except:
        closed.append("done")
        raise


async def with_except_for_cancellations() -> None:
    try:
        await close()
    except asyncio.CancelledError:
        closed.append("done")
        raise


async def with_except_for_several() -> None:
    try:
        await close()
    except OSError:
        raise
    except (ValueError, asyncio.CancelledError) as error:
        closed.append(str(error))
        raise


async def with_except_for_others() -> None:
    try:
        await close()
    except OSError:
        closed.append("failed")
    except (ValueError, KeyError) as error:
        closed.append(str(error))


async def with_except_for_exceptions() -> None:
    try:
        await close()
    except Exception:
        closed.append("failed")


async def under_a_lock() -> None:
    async with lock:
        await close()


async def under_with() -> None:
    with contextlib.suppress(OSError):
        await close()


async def under_with_inside_finally() -> None:
    try:
        with contextlib.suppress(OSError):
            async with lock:
                await close()
    finally:
        closed.append("done")


async def in_the_enter_of_a_block() -> None:
    async with Slow():
        pass


class Slow:
    async def __aenter__(self) -> None:
        await close()

    async def __aexit__(self, *error: object) -> None:
        """Nothing to do."""


Exit = Callable[[], Coroutine[Any, Any, None]]
CATCHING: list[Exit] = [
    with_finally,
    with_bare_except,
    with_except_for_cancellations,
    with_except_for_several,
    under_with_inside_finally,
]
NOT_CATCHING: list[Exit] = [
    plain,
    with_except_for_others,
    with_except_for_exceptions,
    under_a_lock,
    under_with,
    in_the_enter_of_a_block,
]


@pytest.mark.parametrize("traced", [False, True], ids=["compiled", "rewritten"])
@pytest.mark.parametrize("function", CATCHING + NOT_CATCHING, ids=lambda f: f.__name__)
def test_a_handler_for_cancellations_is_distinguished_from_others(
    function: Exit, traced: bool
) -> None:
    """At the instruction that raised the cancellation, with hooks and without."""
    code = function.__code__

    async def main() -> None:
        task = asyncio.create_task(function())
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError) as _:
            try:
                await task
            except asyncio.CancelledError as error:
                entry = error.__traceback__
                while entry is not None and entry.tb_frame.f_code is not function.__code__:
                    entry = entry.tb_next
                assert entry is not None
                found.append(
                    exception_handlers.catches_cancellation(function.__code__, entry.tb_lasti)
                )

    found: list[bool] = []
    try:
        if traced:
            function.__code__ = rewritten(code, Scope(everything=True))
        asyncio.run(main())
    finally:
        function.__code__ = code

    assert found == [function in CATCHING]


async def bare() -> AsyncIterator[None]:
    yield
    await stop()


async def bare_in_a_branch() -> AsyncIterator[None]:
    yield
    if closed:
        registry.pop("session", None)
        await stop()


async def bare_with_a_del() -> AsyncIterator[None]:
    registry["session"] = 1
    yield
    del registry["session"]


async def stop() -> None:
    """Ends of a generator."""


async def last() -> AsyncIterator[None]:
    await stop()
    yield


async def guarded_by_finally() -> AsyncIterator[None]:
    try:
        yield
    finally:
        await stop()


async def guarded_by_except() -> AsyncIterator[None]:
    try:
        yield
    except OSError:
        closed.append("failed")
    await stop()


async def guarded_by_a_block() -> AsyncIterator[None]:
    async with lock:
        yield
        await stop()


async def for_success_alone() -> AsyncIterator[None]:
    yield
    closed.append("committed")
    print("done")


SKIPPING = [bare, bare_in_a_branch, bare_with_a_del]
NOT_SKIPPING = [last, guarded_by_finally, guarded_by_except, guarded_by_a_block, for_success_alone]


@pytest.mark.parametrize("traced", [False, True], ids=["compiled", "rewritten"])
@pytest.mark.parametrize("function", SKIPPING + NOT_SKIPPING, ids=lambda f: f.__name__)
def test_a_bare_yield_before_a_cleanup_is_distinguished_from_others(
    function: Callable[[], AsyncIterator[None]], traced: bool
) -> None:
    """Where a generator is suspended when an error comes in."""
    code: CodeType = function.__code__

    async def main() -> None:
        manager = asynccontextmanager(function)()
        await manager.__aenter__()
        frame = cast("AsyncGeneratorType[None, None]", manager.gen).ag_frame
        assert frame is not None  # it is suspended
        found.append(exception_handlers.skips_cleanup(frame.f_code, frame.f_lasti))
        await manager.gen.aclose()

    found: list[bool] = []
    try:
        if traced:
            function.__code__ = rewritten(code, Scope(everything=True))
        asyncio.run(main())
    finally:
        function.__code__ = code

    assert found == [function in SKIPPING]
