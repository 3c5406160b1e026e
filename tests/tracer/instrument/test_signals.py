"""An exception of a signal handler reaches the program once, and recording continues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from textwrap import dedent

import pytest

from asyncctx_trace.instrument.hidden_frames import suspended
from asyncctx_trace.instrument.patches.interrupts import watch_handler
from asyncctx_trace.instrument.rewriting.patching import returning_if, watched
from asyncctx_trace.model.events import Dropped, EnterStarted, ResourceDefined, TaskDefined
from asyncctx_trace.native import why_not
from asyncctx_trace.recording.reading.reader import read

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

STORM = """
    import asyncio, random, signal, time

    class Alarm({base}):
        pass

    armed, raised = False, 0

    def handle(number, frame):
        global armed, raised
        if armed:
            armed, raised = False, raised + 1
            raise Alarm

    async def short(lock):
        async with lock:
            pass

    async def interrupted(seconds):
        global armed
        signal.setitimer(signal.ITIMER_REAL, seconds)
        armed = True
        for _ in range(1000):
            async with asyncio.Lock():  # new names to define at each turn
                pass
        armed = False

    async def main():
        caught, chance = 0, random.Random(1)
        signal.signal(signal.SIGALRM, handle)
        for _ in range(400):
            try:
                await interrupted(chance.uniform(0.00002, 0.0006))
            except Alarm:
                caught += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in range(50):
            await asyncio.create_task(short(asyncio.Lock()), name=f"late {{number}}")
        print(raised == caught, caught > 300)

    asyncio.run(main())
"""
"""Each alarm interrupts whatever runs at that moment, which is our own code most of the time."""


@pytest.mark.skipif(bool(why_not("asyncctx_trace.instrument")), reason="needs the native code")
@pytest.mark.parametrize("base", ["Exception", "BaseException"])
def test_each_exception_arrives_once_and_recording_goes_on(tmp_path: Path, base: str) -> None:
    """No alarm is lost or becomes another exception, and no definition is incomplete."""
    (tmp_path / "app.py").write_text(dedent(STORM).format(base=base))
    run = ["-W", "ignore", "-m", "asyncctx_trace_tui", "run", "-q", "-o", "x.actx", "app.py"]
    ended = subprocess.run(
        [sys.executable, *run], cwd=tmp_path, text=True, capture_output=True, check=False
    )

    assert ended.stdout == "True True\n", ended.stderr
    events = list(read(tmp_path / "x.actx"))
    assert not [event for event in events if isinstance(event, Dropped)]
    names = {event.task: event.name for event in events if isinstance(event, TaskDefined)}
    resources = {event.resource for event in events if isinstance(event, ResourceDefined)}
    late = Counter(
        names[event.task] for event in events if isinstance(event, EnterStarted) and event.site
    )
    assert [late[f"late {number}"] for number in range(50)] == [1] * 50
    assert {event.resource for event in events if isinstance(event, EnterStarted)} <= resources


HANDLERS = """
    import asyncio, signal

    calls = []

    def handle(number, frame):
        calls.append((number, frame.f_code.co_name))

    class Handler:
        def __call__(self, number, frame):
            calls.append((number, frame.f_code.co_name))

    def here():
        signal.raise_signal(signal.SIGUSR1)

    async def main():
        for handler in (handle, Handler()):
            signal.signal(signal.SIGUSR1, handler)
            async with asyncio.Lock():
                here()
        loop, told = asyncio.get_running_loop(), []
        loop.add_signal_handler(signal.SIGUSR1, told.append, 1)
        for _ in range(100):
            signal.raise_signal(signal.SIGUSR1)
            async with asyncio.Lock():
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        print(calls, len(told))

    asyncio.run(main())
"""


def test_handlers_are_called_as_often_as_without_us(tmp_path: Path) -> None:
    """With the frame that they interrupt; so are handlers of an event loop."""
    (tmp_path / "app.py").write_text(dedent(HANDLERS))
    plain, traced = (
        subprocess.run([sys.executable, *words, "app.py"], cwd=tmp_path, capture_output=True)
        for words in ([], ["-m", "asyncctx_trace_tui", "run", "-q"])
    )

    assert traced.stdout == plain.stdout
    assert plain.stdout.endswith(b" 100\n")


def test_a_function_can_be_left_at_its_beginning() -> None:
    """As if it began with ``if condition(): return``; also where it begins with a loop."""
    answers = [True, False]

    def counted(limit: int) -> list[int]:
        while limit:
            limit -= 1
            seen.append(limit)
        return seen

    seen: list[int] = []
    counted.__code__ = returning_if(counted.__code__, lambda: answers.pop(0))

    assert counted(3) is None
    assert counted(3) == [2, 1, 0]


def test_an_exception_before_a_watched_coroutine_begins_is_only_itself() -> None:
    """A signal handler may raise at the first instruction, when the stack is empty."""
    told: list[object] = []

    async def work() -> int:
        return 1

    work.__code__ = watched(
        work.__code__,
        lambda: told.append("started"),
        lambda begun, result: told.append(result),
        lambda begun, error: told.append((begun, error)),
        0,
    )
    first = work()
    with pytest.raises(KeyError, match="early"):
        first.throw(KeyError("early"))
    second = work()
    with pytest.raises(StopIteration):
        second.send(None)

    assert told == ["started", 1]


def test_a_handler_runs_at_once_while_another_thread_runs_our_code() -> None:
    """The main thread may sleep in a system call after that, and nothing would wake it again."""
    entered, go_on = threading.Event(), threading.Event()
    calls: list[int] = []

    @suspended
    def ours() -> None:
        entered.set()
        go_on.wait()

    def handle(number: int, _frame: object) -> None:
        calls.append(number)

    watch_handler(signal.SIGUSR2, handle)
    before = signal.signal(signal.SIGUSR2, handle)
    thread = threading.Thread(target=ours)
    thread.start()
    entered.wait()
    try:
        signal.raise_signal(signal.SIGUSR2)
        at_once = list(calls)
    finally:
        go_on.set()
        thread.join()
        signal.signal(signal.SIGUSR2, before)

    assert at_once == [signal.SIGUSR2]


FORKING_THREAD = """
    import os, signal, threading
    from asyncctx_trace.instrument.hidden_frames import suspended
    from asyncctx_trace.instrument.patches.interrupts import watch_handler

    calls = []

    def handle(number, frame):
        calls.append(number)

    @suspended
    def ours():
        signal.raise_signal(signal.SIGUSR2)
        return list(calls)

    def fork():
        global child
        child = os.fork()
        if not child:
            signal.signal(signal.SIGUSR2, handle)
            within = ours()
            repr(calls)  # looks for signals, as CPython 3.13 does nowhere else in such a child
            os._exit(0 if (within, calls) == ([], [signal.SIGUSR2]) else 1)

    watch_handler(signal.SIGUSR2, handle)
    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(bool(why_not("asyncctx_trace.instrument")), reason="needs the native code")
def test_a_child_that_a_thread_has_forked_defers_signals_too() -> None:
    """The thread that forked is the child's main thread: handlers run there, after our code."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", dedent(FORKING_THREAD)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.stdout == "0\n", ended.stderr
