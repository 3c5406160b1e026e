"""Recordings of interrupted programs say when that was; the program does not notice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from asyncctx_trace.analysis.findings import find
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import Interrupted
from asyncctx_trace.recording.reading.reader import read

from .conftest import TIMEOUT, Shell

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

CROSSED = """
    import asyncio, os, signal, sys

    async def hold_and_ask(first, second):
        async with first:
            await asyncio.sleep(0)
            async with second:
                pass

    async def hang():
        a, b = asyncio.Lock(), asyncio.Lock()
        tasks = [asyncio.create_task(hold_and_ask(a, b)), asyncio.create_task(hold_and_ask(b, a))]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        print(os.getpid(), flush=True)
        await asyncio.gather(*tasks)
"""
"""A deadlock of two tasks; the program prints its process id when it hangs."""

PROGRAMS = {
    "asyncio.run": "asyncio.run(hang())",
    "a loop run by hand": """
loop = asyncio.new_event_loop()
try:
    loop.run_until_complete(hang())
except KeyboardInterrupt:
    tasks = asyncio.all_tasks(loop)
    for task in tasks: task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()
""",
    "loop.add_signal_handler": """
async def main():
    task = asyncio.create_task(hang())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await asyncio.wait([task])
asyncio.run(main())
""",
    "a handler that exits": """
def handle(number, frame): sys.exit(3)
for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, handle)
asyncio.run(hang())
""",
    "a method with *args": """
class Server:
    def stop(self, *args): raise KeyboardInterrupt
for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, Server().stop)
asyncio.run(hang())
""",
    "anyio.open_signal_receiver": """
import anyio
async def main():
    async with anyio.create_task_group() as group:
        group.start_soon(hang)
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                group.cancel_scope.cancel()
                return
asyncio.run(main())
""",
}

TRIO = """
    import os, trio

    async def hold_and_ask(first, second):
        async with first:
            await trio.sleep(0)
            async with second:
                pass

    async def hang():
        a, b = trio.Lock(), trio.Lock()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold_and_ask, a, b)
            nursery.start_soon(hold_and_ask, b, a)
            await trio.testing.wait_all_tasks_blocked()
            print(os.getpid(), flush=True)

    import trio.testing
    trio.run(hang)
"""


@dataclass(frozen=True)
class HangingProgram:
    """A traced program that hangs, with its launcher."""

    launcher: int
    program: int
    process: subprocess.Popen[str]
    recording: Path


@contextmanager
def hanging_program(shell: Shell, *options: str) -> Iterator[HangingProgram]:
    """Run ``asyncctx-trace run app.py`` until it hangs; at the end of the block it has ended."""
    recording = shell.folder / "x.actx"
    words = ["run", "--quiet", *options, "-o", str(recording), "app.py"]
    with subprocess.Popen(
        [sys.executable, "-m", "asyncctx_trace_tui", *words],
        cwd=shell.folder,
        env=shell.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        program = int(process.stdout.readline())
        yield HangingProgram(process.pid, program, process, recording)
        process.wait(TIMEOUT)


def to_the_program(number: int) -> Callable[[HangingProgram], None]:
    """``kill -NUMBER PROGRAM``."""
    return lambda running: os.kill(running.program, number)


def to_the_launcher(number: int) -> Callable[[HangingProgram], None]:
    """``kill -NUMBER LAUNCHER``."""
    return lambda running: os.kill(running.launcher, number)


def to_the_group(number: int) -> Callable[[HangingProgram], None]:
    """Ctrl-C in a terminal, ``timeout 10 asyncctx-trace …``."""
    return lambda running: os.killpg(running.launcher, number)


def interruption(recording: Path) -> tuple[Interrupted, list[str]]:
    """Return the first interruption, and the bad outcomes before it."""
    before: list[str] = []
    for event in read(recording):
        if isinstance(event, Interrupted):
            return event, before
        outcome = getattr(event, "outcome", None)
        if outcome is not None and outcome.name != "OK":
            before.append(outcome.name)
    raise AssertionError("no interruption was recorded")


@pytest.mark.parametrize("source", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_interruption_is_recorded_before_its_effects(
    shell: Shell, source: str, number: signal.Signals
) -> None:
    """By the program's own process, which alone receives the signal."""
    shell.write("app.py", dedent(CROSSED) + source)
    if number == signal.SIGTERM and "SIGTERM" not in source:
        pytest.skip("the program has no handler for it, so it ends at once")

    with hanging_program(shell) as running:
        to_the_program(number)(running)

    noted, before = interruption(running.recording)
    assert (noted.pid, before) == (running.program, [])
    assert noted.reason in (number.name, "KeyboardInterrupt")


def test_interruptions_of_trio_programs_are_recorded(shell: Shell) -> None:
    """Trio's handler raises KeyboardInterrupt in the main task later."""
    shell.write("app.py", TRIO)

    with hanging_program(shell) as running:
        to_the_program(signal.SIGINT)(running)

    noted, before = interruption(running.recording)
    assert (noted.reason, noted.pid, before) == ("SIGINT", running.program, [])


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (to_the_group(signal.SIGINT), "SIGINT"),
        (to_the_group(signal.SIGTERM), "SIGTERM"),
        (to_the_launcher(signal.SIGTERM), "SIGTERM"),
        (to_the_launcher(signal.SIGHUP), "SIGHUP"),
    ],
    ids=["Ctrl-C", "timeout", "kill LAUNCHER", "the terminal is closed"],
)
def test_the_launcher_records_its_signals(
    shell: Shell, end: Callable[[HangingProgram], None], reason: str
) -> None:
    """It forwards those that were sent to it alone."""
    shell.write("app.py", dedent(CROSSED) + PROGRAMS["asyncio.run"])

    with hanging_program(shell) as running:
        end(running)

    noted, before = interruption(running.recording)
    assert (noted.reason, noted.pid, before) == (reason, running.program, [])


def test_a_handler_called_by_the_program_is_not_an_interruption(shell: Shell) -> None:
    """Only the interpreter's call of it is."""
    shell.write(
        "app.py",
        """
        import asyncio, signal

        def stop(number, frame):
            print("stopping")

        async def main():
            async with asyncio.Lock():
                stop(signal.SIGTERM, None)

        signal.signal(signal.SIGTERM, stop)
        asyncio.run(main())
        """,
    )
    shell.trace("run", "-q", "-o", "x.actx", "app.py")

    notes = [event for event in read(shell.folder / "x.actx") if isinstance(event, Interrupted)]
    assert notes == []


HANDLERS = """
    import functools, inspect, signal, sys, traceback

    def handle(number, frame):
        print("handled", number, frame.f_code.co_name, inspect.currentframe().f_back is frame)
        print(*traceback.format_stack(limit=2), sep="")
        raise LookupError(number)

    class Stop:
        def __call__(self, *args):
            print("stop", len(args), args[1].f_lineno)

    def wait(number):
        signal.raise_signal(number)

    seen = []
    sys.settrace(lambda frame, event, arg: seen.append((frame.f_code.co_name, event)))
    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, functools.partial(handle))
    sys.settrace(None)
    print([name for name, _ in seen if name in ("handle", "signal")])
    print(signal.getsignal(signal.SIGTERM) is handle, inspect.signature(handle))
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            wait(number)
        except LookupError:
            traceback.print_exc()
    signal.signal(signal.SIGINT, Stop())
    wait(signal.SIGINT)
    wait(signal.SIGTERM)
"""


def test_signal_handlers_behave_as_without_the_tracer(shell: Shell) -> None:
    """Arguments, frames, tracebacks, and the exit."""
    shell.write("app.py", HANDLERS)

    plain = shell.python("app.py")
    traced = shell.trace("run", "-q", "app.py")

    assert "handled 15 raise_signal" in plain.out or "handled 15 wait" in plain.out
    assert traced == plain


ENDS = {
    "Ctrl-C": to_the_group(signal.SIGINT),
    "kill -INT": to_the_program(signal.SIGINT),
    "kill": to_the_program(signal.SIGTERM),
    "timeout": to_the_group(signal.SIGTERM),
    "kill LAUNCHER": to_the_launcher(signal.SIGTERM),
    "kill -KILL": to_the_program(signal.SIGKILL),
    "timeout -s KILL": to_the_group(signal.SIGKILL),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_deadlock_is_reported_whichever_signal_ends_it(
    shell: Shell, end: Callable[[HangingProgram], None]
) -> None:
    """The first sentence names tasks, resources and holders; the deadlock is certain."""
    shell.write("app.py", dedent(CROSSED) + PROGRAMS["asyncio.run"])

    with hanging_program(shell) as running:
        end(running)

    report = json.loads(shell.trace("report", "x.actx", "--format", "json").out)
    kinds = {(finding["kind"], finding["certainty"]) for finding in report["findings"]}
    assert kinds - {("held-across-wait", "certain")} == {("deadlock", "certain")}
    waits = report["interrupted"]["waiting"]
    assert {
        (wait["site"]["line"], *(h["site"]["line"] for h in wait["holders"])) for wait in waits
    } == {(7, 5)}
    assert "waited for" in report["verdict"].split(". ")[0]


def test_leaks_after_a_survived_ctrl_c_are_reported(shell: Shell) -> None:
    """Its handler only prints; later it leaks."""
    shell.write(
        "app.py",
        """
        import asyncio, signal

        async def main():
            lock = asyncio.Lock()
            async with lock:
                signal.raise_signal(signal.SIGINT)
            await lock.__aenter__()
            async with asyncio.Lock():
                pass
            await lock.acquire()

        signal.signal(signal.SIGINT, lambda *_: print("no"))
        try:
            asyncio.run(asyncio.wait_for(main(), 0.01))
        except TimeoutError:
            print("late")
        """,
    )
    assert shell.trace("run", "-q", "-o", "x.actx", "app.py").out == "no\nlate\n"

    report = json.loads(shell.trace("report", "x.actx", "--format", "json").out)
    assert report["interrupted"] is None


FORGOTTEN = """
    import asyncio, os

    async def update(lock, fails):
        await lock.acquire()
        if fails:
            raise ValueError("left without a release")
        lock.release()

    async def main():
        lock = asyncio.Lock()
        tasks = [asyncio.create_task(update(lock, fails)) for fails in (False, True, False)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        print(os.getpid(), flush=True)
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
"""


def test_a_leak_of_a_task_object_that_is_kept_alive_is_reported(shell: Shell) -> None:
    """At the time of the signal, without the garbage collector."""
    (shell.folder / "app.py").write_text(dedent(FORGOTTEN))
    with hanging_program(shell) as it:
        os.kill(it.program, signal.SIGINT)
    timeline = Timeline(read(it.recording))
    [leak] = [each for each in find(timeline) if each.kind == "leak"]

    assert "its task is done; Task-4 still waits for it" in leak.summary
