"""A program that uses every construct that acquires, run under a debugger, profiler or tool."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import importlib.util
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from asyncctx_trace import traced


class M:
    """A manager that fails, waits and suppresses on request."""

    def __init__(self, fails: str = "", waits: int = 0) -> None:
        self.fails = fails
        self.waits = waits

    async def __aenter__(self) -> M:
        for _ in range(self.waits):
            await asyncio.sleep(0)
        if self.fails == "enter":
            raise ValueError("enter")
        return self

    async def __aexit__(self, *exc: object) -> bool:
        if self.fails == "exit":
            raise ValueError("exit")
        return self.fails == "suppress"


async def blocks() -> None:
    """Enter and exit with ``async with``, and fail in each place where that can fail."""
    for fails in ("", "enter", "exit", "suppress"):
        for waits in (0, 1):
            with contextlib.suppress(ValueError):
                async with M(fails, waits):
                    pass
            with contextlib.suppress(ValueError, KeyError):
                async with M(fails, waits):
                    raise KeyError(fails)


async def stack() -> None:
    """An exit stack whose exits suppress, replace and pass on an error."""
    with contextlib.suppress(ValueError):
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(M())
            await stack.enter_async_context(M("exit"))
            await stack.enter_async_context(M("suppress"))
            await stack.enter_async_context(M())
            with contextlib.suppress(ValueError):
                await stack.enter_async_context(M("enter"))
            raise KeyError


async def protocol() -> None:
    """The methods of managers, called by hand."""
    for fails in ("", "enter", "exit", "suppress"):
        for waits in (0, 1):
            with contextlib.suppress(ValueError):
                manager = M(fails, waits)
                await manager.__aenter__()
                await manager.__aexit__(None, None, None)
            with contextlib.suppress(ValueError):
                manager = M(fails, waits)
                await manager.__aenter__()
                try:
                    raise KeyError
                except KeyError:
                    await manager.__aexit__(*sys.exc_info())


@contextlib.asynccontextmanager
async def generated() -> AsyncIterator[None]:
    """A manager that can decorate."""
    yield


@generated()
async def decorated() -> None:
    """A function that holds a manager."""
    await asyncio.sleep(0)


async def decorators() -> None:
    """A manager held over a coroutine."""
    await decorated()


def locks() -> None:
    """Locks of threads."""
    for lock in (
        threading.Lock(),
        threading.RLock(),
        threading.Condition(),
        threading.Semaphore(),
        threading.BoundedSemaphore(),
    ):
        with lock:
            pass
        with contextlib.suppress(KeyError), lock:
            raise KeyError
        lock.acquire()
        lock.release()
        lock.acquire(timeout=1)
        lock.release()
        lock.acquire(blocking=False)
        lock.release()
        with contextlib.suppress(RuntimeError, ValueError):
            lock.release()
    lock = threading.Lock()
    with lock:
        lock.acquire(timeout=0)


async def pairs() -> None:
    """Acquire and release, a timeout, and a task that is cancelled while it waits."""
    lock = asyncio.Lock()
    await lock.acquire()
    lock.release()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(-1):
            await asyncio.sleep(10)

    async def waiting() -> None:
        async with lock:
            pass

    async with lock:
        task = asyncio.create_task(waiting())
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def proxies() -> None:
    """Managers, classes and functions that were given to ``traced``."""
    with contextlib.suppress(ValueError):
        async with traced(M("enter")):
            pass
    async with traced(M("suppress", 1)):
        raise KeyError

    @traced
    class N(M):
        pass

    for fails in ("", "enter", "exit"):
        with contextlib.suppress(ValueError):
            async with N(fails):
                pass


async def many() -> None:
    """Acquire more often than fits on one page of a recording."""
    for _ in range(1000):
        async with M():
            pass


async def blocks_by_hand() -> None:
    """Run the blocks without an event loop."""
    for fails in ("", "enter", "exit", "suppress"):
        with contextlib.suppress(ValueError):
            async with M(fails):
                pass


def imports() -> None:
    """Import a module that is traced, and one of the standard library."""
    for name in ("colorsys", "imported"):
        importlib.import_module(name)
        sys.modules.pop(name, None)


def by_hand(coroutine: Coroutine[Any, Any, object]) -> None:
    """Drive a coroutine without a loop."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration:
            return


async def in_trio() -> None:
    """Open a nursery, and cancel an acquisition."""
    import trio

    async with trio.open_nursery(), M():
        pass
    with trio.move_on_after(0):
        async with M():
            await trio.sleep(1)


def under_trio() -> None:
    """Run trio's part if trio is installed."""
    if importlib.util.find_spec("trio") is not None:
        import trio

        trio.run(in_trio)


PARTS: dict[str, Callable[[], None]] = {
    "blocks": lambda: asyncio.run(blocks()),
    "stack": lambda: asyncio.run(stack()),
    "pairs": lambda: asyncio.run(pairs()),
    "locks": locks,
    "protocol": lambda: asyncio.run(protocol()),
    "decorators": lambda: asyncio.run(decorators()),
    "proxies": lambda: asyncio.run(proxies()),
    "many": lambda: asyncio.run(many()),
    "by hand": lambda: by_hand(blocks_by_hand()),
    "trio": under_trio,
    "imports": imports,
}


def everything() -> None:
    """Run all parts, one after the other."""
    for part in PARTS.values():
        part()


def on_threads() -> None:
    """Run all parts on several threads at once."""
    threads = [threading.Thread(target=everything) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def tracer(*_: Any) -> Any:
    """Trace, and do nothing."""
    return tracer


def monitored() -> None:
    """Run all parts with a monitoring tool that subscribes to every event."""
    monitoring: Any = vars(sys)["monitoring"]  # since CPython 3.12
    monitoring.use_tool_id(1, "everything")
    events = 0
    for name, event in vars(monitoring.events).items():
        # BRANCH stands for the two others, and cannot be had together with them.
        if event and not (name == "BRANCH" and hasattr(monitoring.events, "BRANCH_LEFT")):
            monitoring.register_callback(1, event, lambda *fact: None)
            events |= event
    monitoring.set_events(1, events)
    everything()
    monitoring.set_events(1, 0)


def settraced() -> None:
    """Run all parts with a trace function on every thread."""
    threading.settrace(tracer)
    sys.settrace(tracer)
    everything()
    on_threads()
    sys.settrace(None)


def setprofiled() -> None:
    """With a profiler."""
    sys.setprofile(tracer)
    everything()
    sys.setprofile(None)


def collected() -> None:
    """Run all parts while the garbage collector runs all the time."""
    gc.set_threshold(1)
    everything()


def shallow() -> None:
    """Run all parts near the recursion limit."""

    def deeper() -> None:
        with contextlib.suppress(RecursionError):
            deeper()
        with contextlib.suppress(RecursionError):
            by_hand(blocks())

    deeper()


HOW: dict[str, Callable[[], None]] = {
    "alone": everything,
    "threads": on_threads,
    "settrace": settraced,
    "setprofile": setprofiled,
    "monitoring": monitored,
    "collector": collected,
    "recursion": shallow,
}

if __name__ == "__main__":
    faulthandler.enable()
    HOW[sys.argv[1]]()
    print("came to its end")
