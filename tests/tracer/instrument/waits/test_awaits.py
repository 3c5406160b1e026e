"""What a task waits for, besides managers, is published when it suspends, and when it is woken."""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import Iterator
from textwrap import dedent
from typing import Any

import pytest

from asyncctx_trace.instrument import sinks
from asyncctx_trace.instrument.patches.patch_table import all_patches, apply
from asyncctx_trace.instrument.rewriting.code_rewriter import functions, original_of, rewritten
from asyncctx_trace.instrument.scope import Scope
from instrument.event_log import EventLog


class Own(Scope):
    """The programs of this module, and nothing else."""

    def _decide(self, file: str) -> bool:
        return file == "<program>"


@pytest.fixture(autouse=True)
def patched_asyncio() -> Iterator[None]:
    """The event loop says whom it wakes, and libraries what they wait for in tasks of their own."""
    for patch in all_patches(Own()):
        if patch.module.startswith("asyncio."):
            apply(patch)
    yield
    for function in list(functions()):
        function.__code__ = original_of(function.__code__)


def waits_of(body: str) -> list[tuple[object, ...]]:
    """Run ``async def main()`` with this body, and return what its waits were."""
    source = "import asyncio, threading\n\nasync def main():\n" + "".join(
        f"    {line}\n" for line in dedent(body).strip().splitlines()
    )
    linecache.cache["<program>"] = (len(source), None, source.splitlines(True), "<program>")
    namespace: dict[str, Any] = {}
    exec(rewritten(compile(source, "<program>", "exec"), Own()), namespace)
    events = EventLog()
    sinks.attach(events)
    try:
        asyncio.run(namespace["main"]())
    finally:
        sinks.detach(events)
    return events.waits


def started(body: str) -> list[tuple[object, ...]]:
    """The kind, the name and the source of each wait."""
    return [wait[2:] for wait in waits_of(body) if wait[0] == "started"]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("await asyncio.sleep(0.001)", ("sleep", "", "asyncio.sleep(0.001)")),
        (
            "loop.call_soon(gate.set); await asyncio.to_thread(gate.wait)",
            ("thread", "", "asyncio.to_thread(gate.wait)"),
        ),
        (
            "loop.call_soon(gate.set); await loop.run_in_executor(None, gate.wait)",
            ("thread", "", "loop.run_in_executor(None, gate.wait)"),
        ),
        ("loop.call_soon(event.set); await event.wait()", ("event", "event", "event.wait()")),
        (
            "loop.call_soon(jobs.put_nowait, 1); await jobs.get()",
            ("queue get", "jobs", "jobs.get()"),
        ),
        (
            "jobs.put_nowait(1); loop.call_soon(jobs.task_done); await jobs.join()",
            ("queue join", "jobs", "jobs.join()"),
        ),
        ("loop.call_soon(future.set_result, 1); await future", ("future", "", "future")),
        ("await loop.create_task(other())", ("task", "", "loop.create_task(other())")),
        (
            "await asyncio.gather(other(), other())",
            ("tasks", "", "asyncio.gather(other(), other())"),
        ),
        (
            "await asyncio.wait([loop.create_task(other())])",
            ("tasks", "", "asyncio.wait([loop.create_task(other())])"),
        ),
        (
            "await asyncio.wait([loop.create_task(other())], return_when='FIRST_COMPLETED')",
            (
                "first task",
                "",
                "asyncio.wait([loop.create_task(other())], return_when='FIRST_COMPLETED')",
            ),
        ),
        (
            "await asyncio.wait([loop.create_task(other())], timeout=9)",
            ("timed tasks", "", "asyncio.wait([loop.create_task(other())], timeout=9)"),
        ),
        (
            "await asyncio.wait_for(loop.create_task(other()), 9)",
            ("timed tasks", "", "asyncio.wait_for(loop.create_task(other()), 9)"),
        ),
        (
            "await asyncio.wait_for(loop.create_task(other()), None)",
            ("task", "", "asyncio.wait_for(loop.create_task(other()), None)"),
        ),
        (
            "await asyncio.shield(loop.create_task(other()))",
            ("task", "", "asyncio.shield(loop.create_task(other()))"),
        ),
        (
            "loop.call_later(0.001, event.set); await loop.create_task(event.wait())",
            ("event", "event", "loop.create_task(event.wait())"),
        ),
        (
            "loop.call_later(0.001, jobs.put_nowait, 1); await asyncio.gather(jobs.get(), other())",
            ("queue get", "jobs", "asyncio.gather(jobs.get(), other())"),
        ),
        (
            "await loop.create_task(asyncio.wait([loop.create_task(other())]))",
            ("tasks", "", "loop.create_task(asyncio.wait([loop.create_task(other())]))"),
        ),
        (
            "await loop.create_task(asyncio.sleep(0.001))",
            ("sleep", "", "loop.create_task(asyncio.sleep(0.001))"),
        ),
        (
            "loop.call_soon(jobs.put_nowait, 1); await passed_on()",
            ("queue get", "jobs", "jobs.get()"),
        ),
        (
            (
                "_, writer = await asyncio.open_connection('localhost', port); writer.close(); "
                "await writer.wait_closed()"
            ),
            ("io", "", "asyncio.open_connection('localhost', port)"),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_wait_names_what_it_is_for(statement: str, expected: tuple[str, str, str]) -> None:
    """At the innermost line of the program, with the name that the program has for it."""
    body = f"""
        loop, event, jobs = asyncio.get_running_loop(), asyncio.Event(), asyncio.Queue()
        future, gate = loop.create_future(), threading.Event()
        async def other(): pass
        async def passed_on(): return await jobs.get()
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "localhost", 0)
        port = server.sockets[0].getsockname()[1]
        {statement}
        server.close()
        """

    assert expected in started(body)


@pytest.mark.parametrize(
    "statement",
    [
        "await asyncio.sleep(0)",
        "await done",
        "await other()",
        "jobs.put_nowait(1); await jobs.get()",
        "await jobs.put(1)",
    ],
)
def test_what_does_not_suspend_is_no_wait(statement: str) -> None:
    """Nor is giving way to other tasks for one iteration of the loop."""
    body = f"""
        jobs, done = asyncio.Queue(), asyncio.get_running_loop().create_future()
        done.set_result(None)
        async def other(): pass
        {statement}
        """

    assert waits_of(body) == []


def test_a_wait_ends_when_its_task_is_woken_and_says_by_whom() -> None:
    """By another task, or by none: a timer, I/O, a thread."""
    waits = waits_of(
        """
        event = asyncio.Event()
        async def setter():
            await asyncio.sleep(0.001)
            event.set()
        task = asyncio.create_task(setter())
        await event.wait()
        await task
        """
    )

    assert waits[:4] == [
        ("started", 1, "event", "event", "event.wait()"),
        ("started", 2, "sleep", "", "asyncio.sleep(0.001)"),
        ("ended", 2, "ok", False),
        ("ended", 1, "ok", True),
    ]


def test_a_cancelled_wait_says_so() -> None:
    """And that the task that cancelled it was the one that woke it."""
    waits = waits_of(
        """
        async def idle(): await asyncio.Event().wait()
        task = asyncio.create_task(idle())
        await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        """
    )

    assert ("ended", 2, "cancelled", True) in waits


def test_an_acquisition_is_no_wait_besides() -> None:
    """``async with`` and ``acquire()`` have records of their own."""
    kinds = [
        kind
        for kind, _, _ in started(
            """
            lock = asyncio.Lock()
            async def hold():
                async with lock: await asyncio.sleep(0.001)
            await asyncio.gather(hold(), hold())
            """
        )
    ]

    assert kinds.count("sleep") == 2
    assert "lock" not in kinds


def test_results_errors_and_closed_coroutines_pass_through_as_before() -> None:
    """The loop of an ``await`` is the interpreter's own: what is thrown in reaches its callee."""
    source = """
class Awaited:
    def __await__(self):
        try:
            sent = yield 1
        except ValueError as error:
            return f"caught {error}"
        return f"got {sent}"

async def wait():
    return await Awaited()
"""
    namespace: dict[str, Any] = {}
    exec(rewritten(compile(source, "<program>", "exec"), Own()), namespace)

    sent = namespace["wait"]()
    assert sent.send(None) == 1
    with pytest.raises(StopIteration, match="got 2"):
        sent.send(2)
    thrown = namespace["wait"]()
    thrown.send(None)
    with pytest.raises(StopIteration, match="caught it"):
        thrown.throw(ValueError("it"))
    failed = namespace["wait"]()
    failed.send(None)
    with pytest.raises(KeyError, match="other"):
        failed.throw(KeyError("other"))
    closed = namespace["wait"]()
    closed.send(None)
    closed.close()
    assert closed.cr_frame is None
