"""Exits that look like buggy ones and are not."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from types import TracebackType
from typing import Any

import anyio
import anyio.lowlevel


class Session:
    async def __aenter__(self) -> "Session":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        await asyncio.sleep(0)


async def cancelled_while_it_runs(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    task = asyncio.create_task(function())
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# -- deadlines ----------------------------------------------------------------------------------


async def a_deadline_that_is_met() -> None:
    async with asyncio.timeout(10):
        await asyncio.sleep(0)


async def a_deadline_that_is_told_of() -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)


async def a_deadline_that_the_program_asks_about() -> str:
    async with asyncio.timeout(0.01) as deadline:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
    return "in part" if deadline.expired() else "in full"


async def a_deadline_put_off() -> None:
    async with asyncio.timeout(0.01) as deadline:
        deadline.reschedule(None)
        await asyncio.sleep(0.02)


# -- generators ---------------------------------------------------------------------------------


@asynccontextmanager
async def guarded() -> AsyncIterator[Session]:
    session = Session()
    try:
        yield session
    finally:
        await session.close()


@asynccontextmanager
async def nested() -> AsyncIterator[Session]:
    async with Session() as session:
        yield session


@asynccontextmanager
async def committing() -> AsyncIterator[list[str]]:
    work: list[str] = []
    yield work
    work.append("committed")
    print("committed")


@asynccontextmanager
async def deciding() -> AsyncIterator[Session]:
    session = Session()
    try:
        yield session
    except Exception:
        await session.close()
        raise
    else:
        await session.close()


async def bodies_that_fail() -> None:
    for manager in (guarded(), nested(), committing(), deciding()):
        with suppress(ValueError):
            async with manager:
                raise ValueError("the body")


# -- exits that finish before they raise the cancellation ---------------------------------------


class Finishing(Session):
    async def close(self) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            print("closed by force")
            raise


class Closing(Session):
    async def close(self) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            print("closed")


class Shielding(Session):
    async def close(self) -> None:
        await asyncio.shield(asyncio.sleep(0.01))


class Structured(Session):
    async def close(self) -> None:
        print("closed")
        await anyio.lowlevel.checkpoint()


class Passing(Session):
    async def __aexit__(self, *error: object) -> None:
        print("closed")
        if isinstance(error[1], BaseException):
            raise error[1]


async def exits_that_are_cancelled() -> None:
    for cls in (Finishing, Closing, Shielding):

        async def use(cls: type[Session] = cls) -> None:
            async with cls():
                pass

        await cancelled_while_it_runs(use)

    async def waits() -> None:
        async with Passing():
            await asyncio.sleep(60)

    await cancelled_while_it_runs(waits)
    with anyio.move_on_after(0.01):
        async with Structured():
            await anyio.sleep(60)


# -- exits that pass on the error of the body ---------------------------------------------------


@asynccontextmanager
async def grouped() -> AsyncIterator[None]:
    async with asyncio.TaskGroup():
        yield


class Grouping:
    async def __aenter__(self) -> None:
        self.group = await asyncio.TaskGroup().__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.group.__aexit__(kind, error, trace)


class NotFound(Exception):
    pass


@asynccontextmanager
async def translating() -> AsyncIterator[None]:
    try:
        yield
    except KeyError as error:
        raise NotFound from error


@asynccontextmanager
async def unwrapping() -> AsyncIterator[None]:
    try:
        yield
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


async def errors_that_are_passed_on() -> None:
    for manager in (grouped(), Grouping()):
        with suppress(ExceptionGroup):
            async with manager:
                raise ValueError("the body")
    with suppress(NotFound):
        async with translating():
            raise KeyError("the body")
    with suppress(ValueError):
        async with unwrapping():
            raise ExceptionGroup("one", [ValueError("the body")])


# -- stacks -------------------------------------------------------------------------------------


async def stacks_that_live_longer() -> None:
    service, lock = AsyncExitStack(), asyncio.Lock()
    async with lock:
        await service.enter_async_context(Session())
    other = AsyncExitStack()
    await other.enter_async_context(Session())

    async def opens() -> None:
        await service.enter_async_context(Session())

    await asyncio.create_task(opens())
    async with lock:
        await service.aclose()
    await other.aclose()


async def main() -> None:
    await a_deadline_that_is_met()
    await a_deadline_that_is_told_of()
    await a_deadline_that_the_program_asks_about()
    await a_deadline_put_off()
    await bodies_that_fail()
    await exits_that_are_cancelled()
    await errors_that_are_passed_on()
    await stacks_that_live_longer()
    await asyncio.sleep(0.02)


asyncio.run(main())
