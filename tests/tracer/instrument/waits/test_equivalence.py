"""Native code and the Python code that it replaces record the same waits of random programs."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import indent
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from asyncctx_trace import native
from instrument.test_native_equivalence import Worker

PROLOGUE = """\
class Passing:
    def __init__(self, future):
        self.future = future
    def __await__(self):
        return (yield from self.future.__await__())

class Awaited(asyncio.Future):
    pass

class Mine(asyncio.Task):
    def done(self):
        return super().done()

async def inside(awaitable):
    return await awaitable

async def deep(awaitable):
    return await inside(awaitable)

async def numbers(awaitable):
    yield await awaitable

async def through_generator(awaitable):
    async for number in numbers(awaitable):
        return number

async def by_hand(future):
    made = deep(future)
    yielded = made.send(None)
    made.close()
    yielded._asyncio_future_blocking = False
    await Passing(yielded)

"""
MAIN = """
async def main(away):
    loop = asyncio.get_running_loop()
    queue, small, event = asyncio.Queue(), asyncio.Queue(1), asyncio.Event()
    lock, condition = asyncio.Lock(), asyncio.Condition()
    futures = [loop.create_future(), loop.create_future(), Awaited()]
    tasks = []
{functions}
    for function in [{names}]:
        tasks.append({task})
    for _ in range(12):
        await asyncio.sleep(0)
    for each in futures:
        each.cancel()
    for _ in range(3):
        for each in tasks:
            each.cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)
"""

STATEMENTS = [
    "await queue.get()",
    "queue.put_nowait(1)",
    "await small.put(1)",
    "small.get_nowait()",
    "await queue.join()",
    "queue.task_done()",
    "await event.wait()",
    "event.set()",
    "event.clear()",
    "await asyncio.sleep(0)",
    "await lock.acquire()",
    "lock.release()",
    "async with lock: await event.wait()",
    "async with condition: await condition.wait()",
    "async with condition: condition.notify_all()",
    *(
        f"await {way.format(f'futures[{number}]')}"
        for number in range(3)
        for way in ("{}", "deep({})", "Passing({})", "through_generator({})", "by_hand({})")
    ),
    *(f"futures[{number}].set_result(1)" for number in range(3)),
    "futures[0].set_exception(ValueError('bad'))",
    "futures[1].cancel()",
    "await asyncio.gather(deep(futures[0]), event.wait())",
    "await asyncio.wait([futures[0], tasks[0]], return_when=asyncio.FIRST_COMPLETED)",
    "await asyncio.wait_for(futures[1], None)",
    "await tasks[0]",
    "await asyncio.shield(tasks[1])",
    "await inside(tasks[2])",
    "tasks[0].cancel()",
    "tasks[1].cancel()",
    "loop.call_soon(event.set)",
    "loop.call_soon(futures[1].cancel)",
    "return 1",
]
bodies = st.lists(st.lists(st.sampled_from(STATEMENTS), max_size=6), min_size=1, max_size=4)
ways = st.sampled_from(["loop.create_task(function())", "Mine(function(), loop=loop)"])
errors = st.sampled_from(["ValueError", "RecursionError", "MemoryError"])
faults = st.dictionaries(
    st.sampled_from(["wait_started", "wait_ended", "wait_target", "enter_started"]),
    st.tuples(st.integers(1, 5), errors),
    max_size=1,
)


def program(tasks: list[list[str]], way: str) -> str:
    """Return the source of a program of these tasks, none of which is left in the end."""
    functions = ""
    for number, statements in enumerate(tasks):
        functions += f"async def task{number}():\n    pass\n"
        for statement in statements:
            functions += f"    try:\n        {statement}\n"
            functions += "    except Exception as error:\n        log.append(repr(error))\n"
    names = ", ".join(f"task{number}" for number in range(len(tasks)))
    return PROLOGUE + MAIN.format(functions=indent(functions, "    "), names=names, task=way)


@pytest.fixture(scope="module")
def workers() -> Iterator[tuple[Worker, Worker]]:
    """One with native code, one with pure Python."""
    if native.extension("asyncctx_trace.instrument") is None:
        pytest.skip("native code is not used here")
    pair = Worker(), Worker(**{native.PURE: "1"})
    yield pair
    for worker in pair:
        worker.close()


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(bodies, ways, st.lists(faults, min_size=1, max_size=2))
@example([["await deep(futures[0])"], ["futures[0].set_result(1)"]], "Mine(function())", [{}])
@example(
    [["await queue.get()"], ["queue.put_nowait(1)", "await event.wait()"]],
    "loop.create_task(function())",
    [{"wait_ended": (1, "ValueError")}, {}],
)
def test_a_random_program_sends_the_same_events_about_waits(
    workers: tuple[Worker, Worker], tasks: list[list[str]], way: str, sinks: list[Any]
) -> None:
    """Whatever it waits for, whoever wakes it, and whichever sink raises."""
    in_native_code, in_python = (worker.run(program(tasks, way), sinks) for worker in workers)

    assert in_native_code == in_python


def test_the_random_programs_wait(workers: tuple[Worker, Worker]) -> None:
    """The comparison is not of nothing with nothing."""
    source = program([["await deep(futures[0])"], ["futures[0].set_result(1)"]], "Mine(function())")
    for worker in workers:
        (events,) = worker.run(source, [{}])["events"]

        assert {"wait_started", "wait_ended"} <= {event[0] for event in events}
