"""A steered program: its own suspensions are prolonged, and nothing else happens to it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from asyncctx_trace.recording.writing.segments import create
from asyncctx_trace.runtime.launch import environment


def run(folder: Path, program: str, *rules: str) -> str:
    """Return what ``program`` prints when it is steered by ``rules``."""
    script, order, recording = folder / "app.py", folder / "app.order", folder / "app.actx"
    script.write_text(dedent(program))
    order.write_text("\n".join(["asyncctx-trace order 1", *rules, ""]))
    create(recording, overwrite=True)
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, **environment(recording, {"captured": False, "order": str(order)})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


OPPOSITE_ORDERS = """
    import asyncio
    a, b = asyncio.Lock(), asyncio.Lock()
    async def one():
        async with a:
            await asyncio.sleep(0)
            async with b:
                pass
    async def two(late):
        for _ in range(late):
            await asyncio.sleep(0)
        async with b:
            await asyncio.sleep(0)
            async with a:
                pass
    async def main():
        tasks = [asyncio.create_task(one()), asyncio.create_task(two(9))]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            if a._waiters and b._waiters:
                print("both wait for ever")
                break
        else:
            print("both went through")
        for task in tasks:
            task.cancel()
    asyncio.run(main())
"""


def test_two_tasks_are_brought_together(tmp_path: Path) -> None:
    steered = run(
        tmp_path,
        OPPOSITE_ORDERS,
        "hold app.py:6 holding a until app.py:13 holding b",
        "hold app.py:13 holding b until app.py:6 holding a",
    )

    assert steered == "both wait for ever\n"


def test_a_rule_for_a_place_that_no_task_comes_to_changes_nothing(tmp_path: Path) -> None:
    steered = run(tmp_path, OPPOSITE_ORDERS, "hold app.py:6 holding b until app.py:13 holding b")

    assert steered == "both went through\n"


def test_a_task_is_not_held_longer_than_the_rule_says(tmp_path: Path) -> None:
    program = """
        import asyncio
        async def main():
            await asyncio.sleep(0)
            print("went on")
        asyncio.run(main())
        """

    assert run(tmp_path, program, "hold app.py:4 until app.py:99 at most 1ms") == "went on\n"


def test_where_the_program_does_not_suspend_it_is_not_held(tmp_path: Path) -> None:
    """Between the check and the enter of a free lock, no other task can run: so it stays."""
    steered = run(
        tmp_path,
        """
        import asyncio
        lock = asyncio.Lock()
        async def worker(name):
            if not lock.locked():
                async with lock:
                    print(name, "has it")
                    await asyncio.sleep(0)
            else:
                print(name, "leaves it")
        async def main():
            await asyncio.gather(worker("a"), worker("b"))
        asyncio.run(main())
        """,
        "hold app.py:6 until app.py:99 at most 1ms",
    )

    assert steered == "a has it\nb leaves it\n"


def test_results_errors_and_cancellations_pass_through(tmp_path: Path) -> None:
    program = """
        import asyncio
        async def main():
            loop = asyncio.get_running_loop()
            result, error, never = (loop.create_future() for _ in range(3))
            loop.call_soon(result.set_result, 42)
            loop.call_soon(error.set_exception, ValueError("bad"))
            print(await result)
            try:
                await error
            except ValueError as raised:
                print(repr(raised), raised.__traceback__.tb_next)
            try:
                async with asyncio.timeout(0.001):
                    await never
            except TimeoutError:
                print("timed out", never.cancelled())
        asyncio.run(main())
        """
    steered = run(tmp_path, program, *(f"hold app.py:{line} at most 1ms" for line in (8, 10, 15)))

    assert steered == "42\nValueError('bad') None\ntimed out True\n"


def test_a_held_task_gets_a_cancellation_at_once(tmp_path: Path) -> None:
    """And what it awaited was done: as if both had happened in one turn of the event loop."""
    steered = run(
        tmp_path,
        """
        import asyncio
        async def worker(queue):
            await queue.get()
        async def main():
            queue = asyncio.Queue()
            task = asyncio.create_task(worker(queue))
            await asyncio.sleep(0)
            queue.put_nowait("item")
            for _ in range(5):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            print(task.cancelled(), queue.qsize())
        asyncio.run(main())
        """,
        "hold app.py:4 until app.py:99 at most 1h",
    )

    assert steered == "True 1\n"


def test_a_deadline_ends_a_wait_that_a_rule_would_prolong(tmp_path: Path) -> None:
    """The rule would hold the task for an hour after what it awaits was done."""
    steered = run(
        tmp_path,
        """
        import asyncio
        async def main():
            never = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(0.001):
                    await never
            except TimeoutError:
                print("timed out")
        asyncio.run(main())
        """,
        "hold app.py:7 at most 1h",
    )

    assert steered == "timed out\n"


def test_a_task_is_cancelled_where_the_order_says(tmp_path: Path) -> None:
    program = """
        import asyncio
        async def main():
            task = asyncio.create_task(worker())
            await asyncio.wait([task])
            print(task.cancelled())
        async def worker():
            for number in range(3):
                print(number)
                try:
                    await asyncio.sleep(0)
                finally:
                    await asyncio.sleep(0)
                    print("cleaned")
        asyncio.run(main())
        """

    assert run(tmp_path, program, "cancel app.py:11 on 2") == ("0\ncleaned\n1\ncleaned\nTrue\n")
    assert run(tmp_path, program, "cancel app.py:11 when done") == "0\ncleaned\nTrue\n"
    assert run(tmp_path, program, "fail app.py:13").startswith("0\nFalse\n")


def test_a_broken_order_file_leaves_the_program_alone(tmp_path: Path) -> None:
    steered = run(tmp_path, "print('ran')\n", "hold nothing")

    assert "ran\n" in steered
    assert "app.order, line 2: 'nothing' is not a place" in steered
