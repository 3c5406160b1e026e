"""What tasks of trio wait for, and how that ends."""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from textwrap import dedent
from typing import Any

import pytest

from asyncctx_trace.instrument import sinks
from asyncctx_trace.instrument.patches.patch_table import all_patches, apply
from asyncctx_trace.instrument.rewriting.code_rewriter import functions, original_of, rewritten
from instrument.event_log import EventLog
from instrument.waits.test_awaits import Own

trio: Any = pytest.importorskip("trio")


@pytest.fixture(autouse=True)
def patched_trio() -> Iterator[None]:
    """The loop says whom it wakes."""
    for patch in all_patches(Own()):
        if patch.module.startswith("trio."):
            apply(patch)
    yield
    for function in list(functions()):
        function.__code__ = original_of(function.__code__)


def waits_of(body: str) -> list[tuple[object, ...]]:
    """Run ``async def main()`` with this body under trio, and return what its waits were."""
    lines = "".join(f"    {line}\n" for line in dedent(body).strip().splitlines())
    source = f"import trio, trio.testing\n\nasync def main():\n{lines}"
    linecache.cache["<program>"] = (len(source), None, source.splitlines(True), "<program>")
    namespace: dict[str, Any] = {}
    exec(rewritten(compile(source, "<program>", "exec"), Own()), namespace)
    events = EventLog()
    sinks.attach(events)
    try:
        trio.run(namespace["main"])
    finally:
        sinks.detach(events)
    return events.waits


def test_an_event_is_named_and_ended_by_the_task_that_sets_it() -> None:
    waits = waits_of(
        """
        ready = trio.Event()
        async def child(): await ready.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
            await trio.testing.wait_all_tasks_blocked()
            ready.set()
        """
    )

    assert ("started", 2, "event", "ready", "ready.wait()") in waits
    assert ("ended", 2, "ok", True) in waits


@pytest.mark.parametrize(
    ("statement", "outcome"),
    [
        ("await trio.sleep(0.001)", "ok"),
        ("with trio.move_on_after(0.001): await trio.sleep(9)", "cancelled"),
        ("with trio.move_on_after(0.001): await trio.sleep_forever()", "cancelled"),
        ("with trio.move_on_after(0): await trio.sleep_forever()", "cancelled"),
    ],
)
def test_a_sleep_that_is_over_is_not_cancelled(statement: str, outcome: str) -> None:
    """Trio itself ends each sleep by cancelling a scope around it."""
    waits = waits_of(statement)

    assert [wait[2] for wait in waits if wait[0] == "started"] == ["sleep"]
    assert ("ended", 1, outcome, False) in waits


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("ready.wait", "ready.set()", ("event", "ready", "nursery.start_soon(ready.wait)")),
        (
            "getting.receive",
            "await giving.send(1)",
            ("receive", "getting", "nursery.start_soon(getting.receive)"),
        ),
        ("trio.sleep, 0.001", "", ("sleep", "", "nursery.start_soon(trio.sleep, 0.001)")),
    ],
)
def test_a_task_made_of_a_function_of_trio_waits_where_it_was_made(
    start: str, end: str, expected: tuple[str, ...]
) -> None:
    """No line of the program suspends in it."""
    waits = waits_of(
        f"""
        ready = trio.Event()
        giving, getting = trio.open_memory_channel(0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon({start})
            await trio.testing.wait_all_tasks_blocked()
            {end}
        """
    )

    number = next(wait[1] for wait in waits if wait[0] == "started" and wait[2:] == expected)
    assert ("ended", number, "ok", bool(end)) in waits
