"""Exits with one bug each; the comment at a line names the kind of finding that it belongs to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any

import anyio


class Session:
    async def __aenter__(self) -> "Session":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.flush()

    async def flush(self) -> None:
        await asyncio.sleep(0)


class Slow(Session):
    async def flush(self) -> None:
        await asyncio.sleep(60)


class Careless(Session):
    async def __aexit__(self, *error: object) -> None:
        async with asyncio.Lock():
            try:
                await asyncio.sleep(60)
            except OSError:
                pass


async def cancelled_while_it_runs(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    task = asyncio.create_task(function())
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# -- deadlines that pass quietly ----------------------------------------------------------------


async def a_worker_that_takes_every_cancellation_for_its_own() -> None:
    async def worker() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)

    task = asyncio.create_task(worker())
    async with asyncio.timeout(0.01):  # expired-quietly
        await task


async def a_retry_loop_that_catches_everything() -> None:
    async with asyncio.timeout(0.01):  # expired-quietly
        for _ in range(2):
            try:
                await asyncio.sleep(0.02)
            except BaseException:
                continue


async def a_finally_that_returns() -> None:
    async def poll() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            return "last known value"  # noqa: B012 - the bug

    async with asyncio.timeout(0.01):  # expired-quietly
        await poll()


# -- cleanups that are skipped ------------------------------------------------------------------


@asynccontextmanager
async def pool() -> AsyncIterator[Session]:
    session = Session()
    yield session  # skipped-cleanup
    await session.flush()
    await close()


async def close() -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def background() -> AsyncIterator[None]:
    task = asyncio.create_task(asyncio.sleep(0.1))
    yield  # skipped-cleanup
    task.cancel()


subscribers: dict[str, object] = {}


@asynccontextmanager
async def subscription() -> AsyncIterator[None]:
    subscribers["one"] = object()
    yield  # skipped-cleanup
    del subscribers["one"]


async def bodies_that_fail_past_a_bare_yield() -> None:
    with suppress(ValueError):
        async with pool():  # skipped-cleanup
            raise ValueError("the body")
    with suppress(ValueError):
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(background())  # skipped-cleanup
            raise ValueError("the body")

    async def listens() -> None:
        async with subscription():  # skipped-cleanup
            await asyncio.sleep(60)

    await cancelled_while_it_runs(listens)


# -- cleanups that are cut off ------------------------------------------------------------------


async def a_flush_that_is_cancelled() -> None:
    async def use() -> None:
        async with Slow():  # cleanup-cancelled
            pass

    await cancelled_while_it_runs(use)


async def a_cleanup_under_a_lock_that_handles_other_errors() -> None:
    async def use() -> None:
        async with Careless():  # cleanup-cancelled
            pass

    await cancelled_while_it_runs(use)


@asynccontextmanager
async def transaction() -> AsyncIterator[None]:
    try:
        yield
    finally:
        await asyncio.sleep(60)


async def a_rollback_that_is_cancelled() -> None:
    async def use() -> None:
        async with transaction():  # cleanup-cancelled
            raise ValueError("roll back")

    await cancelled_while_it_runs(use)


# -- cleanups that fail -------------------------------------------------------------------------


class Failing(Session):
    async def flush(self) -> None:
        raise ConnectionResetError("gone")


async def an_exit_that_fails_after_an_error() -> None:
    with suppress(ConnectionResetError):
        async with Failing():  # cleanup-error
            raise ValueError("the reason")


# -- in other tasks, and in another order -------------------------------------------------------


async def a_group_left_by_another_task() -> None:
    stack = AsyncExitStack()

    async def opens() -> None:
        await stack.enter_async_context(service())  # foreign-exit

    async def closes() -> None:
        with suppress(RuntimeError):
            await stack.aclose()  # foreign-exit

    await asyncio.create_task(opens())
    await asyncio.create_task(closes())


@asynccontextmanager
async def service() -> AsyncIterator[None]:
    async with anyio.create_task_group():  # foreign-exit
        yield


variable: ContextVar[int] = ContextVar("variable")


@asynccontextmanager
async def number() -> AsyncIterator[None]:
    token = variable.set(1)
    try:
        yield
    finally:
        variable.reset(token)


async def a_variable_reset_by_another_task() -> None:
    stack = AsyncExitStack()

    async def opens() -> None:
        await stack.enter_async_context(number())  # foreign-exit cleanup-error

    await asyncio.create_task(opens())
    with suppress(ValueError):
        await stack.aclose()  # foreign-exit cleanup-error


async def main() -> None:
    await a_worker_that_takes_every_cancellation_for_its_own()
    await a_retry_loop_that_catches_everything()
    await a_finally_that_returns()
    await bodies_that_fail_past_a_bare_yield()
    await a_flush_that_is_cancelled()
    await a_cleanup_under_a_lock_that_handles_other_errors()
    await a_rollback_that_is_cancelled()
    await an_exit_that_fails_after_an_error()
    await a_group_left_by_another_task()
    await a_variable_reset_by_another_task()


asyncio.run(main())
