"""A process that forks: who takes part, and in which order."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.instrument import hidden_frames
from asyncctx_trace.instrument.waits import watchdog
from asyncctx_trace.native import PURE
from asyncctx_trace.otel import telemetry
from asyncctx_trace.recording.reading.reader import read
from asyncctx_trace.runtime import fork, recording_session

NO_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def test_the_telemetry_takes_part_before_the_recording() -> None:
    """The list in the module is the order."""
    assert (telemetry.before_fork, watchdog.pause_for_fork) == fork.BEFORE
    assert (watchdog.continue_after_fork,) == fork.AFTER_IN_PARENT
    assert (
        hidden_frames.adopt_main_thread,
        watchdog.forget_after_fork,
        telemetry.restart_in_child,
        recording_session.restart_in_child,
    ) == fork.AFTER_IN_CHILD


def test_a_participant_that_raises_does_not_stop_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The program has forked and continues, so the other participants must, too."""
    called: list[str] = []

    def broken() -> None:
        raise OSError("no space left")

    with caplog.at_level(logging.ERROR, "asyncctx_trace"):
        fork.call_each([lambda: called.append("first"), broken, lambda: called.append("last")])

    assert called == ["first", "last"]
    [record] = caplog.records
    assert "broken failed at a fork; the program continues without it" in record.getMessage()


@NO_FORK
def test_a_forked_child_defines_again_what_its_parent_has_defined(tmp_path: Path) -> None:
    """Its ids are its own in the recording, so a lock of before the fork needs a name there."""
    program = """
        import asyncio, os, sys, asyncctx_trace

        async def use(lock):
            async with lock:
                pass

        with asyncctx_trace.record(sys.argv[1]):
            lock = asyncctx_trace.traced(asyncio.Lock(), name="db lock")
            asyncio.run(use(lock))
            child = os.fork()
            if not child:
                asyncio.run(use(lock))
                os._exit(0)
            os.waitpid(child, 0)
    """
    path = tmp_path / "a.actx"
    subprocess.run([sys.executable, "-c", dedent(program), str(path)], check=True)

    timeline = Timeline(read(path))
    used = [timeline.resources[acquisition.resource].name for acquisition in timeline]
    assert used == ["db lock", "db lock"]


@NO_FORK
def test_importing_the_package_registers_once() -> None:
    """All participants together; a fork without a recording says nothing."""
    program = """
        import logging, os, random  # which register handlers of their own
        calls = []
        os.register_at_fork = lambda **moments: calls.append(sorted(moments))
        import asyncctx_trace
        print(calls)
        if os.fork() == 0:
            os._exit(0)
        os.wait()
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(program)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, PURE: "1"},  # no line about an extension that needs to be compiled
    )

    assert (done.stdout, done.stderr) == ("[['after_in_child', 'after_in_parent', 'before']]\n", "")
