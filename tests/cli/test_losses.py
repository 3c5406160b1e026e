"""What a recording lost is in the recording, and makes nothing certain."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from asyncctx_trace.model.events import EnterStarted
from asyncctx_trace.recording.reader import read

from .conftest import Shell

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX limits")

SMALL_DISK = """
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
"""
"""From here on no file of the program grows beyond that; Python ignores the signal for it."""

MANY_AT_ONCE = """
    import asyncio, os, sys

    async def worker(lock, rounds):
        for _ in range(rounds):
            async with asyncio.Semaphore(1), lock, asyncio.timeout(60):
                await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(worker(asyncio.Lock(), 100) for _ in range(30)))

    asyncio.run(main())
"""
"""9,000 acquisitions in which nothing goes wrong, up to 90 at once."""


def report(shell: Shell, *options: str) -> dict[str, Any]:
    """The report on x.actx."""
    printed = shell.trace("report", "x.actx", "--format", "json", *options)
    found: dict[str, Any] = json.loads(printed.out)
    return found


def kept(shell: Shell) -> int:
    """How many acquisitions the recording has."""
    return sum(isinstance(event, EnterStarted) for event in read(shell.folder / "x.actx"))


@pytest.mark.parametrize("pure", ["", "1"], ids=["native", "pure"])
@pytest.mark.parametrize(
    "end", ["print('done')", "os.kill(os.getpid(), 9)"], ids=["ends", "killed"]
)
def test_a_full_disk_counts_what_it_loses_and_proves_nothing(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, pure: str, end: str
) -> None:
    """What was open when the disk was full has ended since, and nobody knows."""
    monkeypatch.setenv("ASYNCCTX_TRACE_PURE", pure)
    shell.write("app.py", SMALL_DISK + MANY_AT_ONCE + f"    {end}\n")

    ended = shell.trace("run", "-q", "-o", "x.actx", "app.py")

    assert ended.err.count("the recording stops here") == 1
    told = report(shell)
    assert 1000 < kept(shell) < 9000
    assert kept(shell) + told["dropped"]["acquisitions"] == 9000
    assert told["findings"] == []
    assert told["interrupted"]["by"] == "stopped"


def test_what_was_proven_before_the_disk_was_full_is_still_told(shell: Shell) -> None:
    """Two tasks hang from the beginning; others go on until there is no room."""
    shell.write(
        "app.py",
        SMALL_DISK
        + """
    import asyncio

    async def hold_and_ask(first, second):
        async with first:
            await asyncio.sleep(0)
            async with second:
                pass

    async def work():
        for _ in range(10_000):
            async with asyncio.Lock():
                await asyncio.sleep(0)

    async def main():
        a, b = asyncio.Lock(), asyncio.Lock()
        tasks = [asyncio.create_task(hold_and_ask(*pair)) for pair in ((a, b), (b, a))]
        await work()
        for task in tasks: task.cancel()

    asyncio.run(main())
""",
    )
    shell.trace("run", "-q", "-o", "x.actx", "app.py")

    kinds = {(each["kind"], each["certainty"]) for each in report(shell)["findings"]}
    assert ("deadlock", "certain") in kinds
    assert not kinds & {("leak", "certain"), ("still-waiting", "certain")}


PATCHED = """
    import builtins, fcntl, io, mmap, os, sys, threading, time

    def forbidden(*args, **options):
        raise RuntimeError("a blocking call on the event loop")

    def patch():
        for module, names in {
            os: ["open", "close", "write", "read", "fstat", "lseek", "posix_fallocate"],
            fcntl: ["flock", "lockf"],
            mmap: ["mmap"],
            threading: ["Lock", "RLock"],
            time: ["sleep"],
            builtins: ["open"],
        }.items():
            for name in names:
                if hasattr(module, name):
                    setattr(module, name, forbidden)
        for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter_ns"):
            frozen = (lambda: 0) if name.endswith("ns") else (lambda: 0.0)
            real = getattr(time, name)
            setattr(time, name, frozen)
            # As freezegun does, in all modules.
            for module in list(sys.modules.values()):
                for key, value in list(vars(module).items()) if hasattr(module, "__dict__") else []:
                    if value is real and name != "monotonic":
                        setattr(module, key, frozen)
"""


@pytest.mark.parametrize("pure", ["", "1"], ids=["native", "pure"])
def test_a_program_that_patches_what_recording_needs_is_recorded_to_its_end(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, pure: str
) -> None:
    """blockbuster forbids what blocks, freezegun stops the clocks, pyfakefs hides the disk."""
    monkeypatch.setenv("ASYNCCTX_TRACE_PURE", pure)
    inside_the_loop = MANY_AT_ONCE.replace("await asyncio.gather", "patch(); await asyncio.gather")
    shell.write("app.py", PATCHED + inside_the_loop)

    ended = shell.trace("run", "-q", "-o", "x.actx", "app.py")

    told = report(shell)
    assert (ended.code, kept(shell), told["dropped"]["acquisitions"]) == (0, 9000, 0)
    assert told["recording"]["length_ns"] > 0
    assert all(
        event.at for event in read(shell.folder / "x.actx") if isinstance(event, EnterStarted)
    )
