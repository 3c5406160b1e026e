"""Native code and the Python code that it replaces send the same events, also to faulty sinks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from asyncctx_trace import native
from instrument.rewriting.random_programs import program
from instrument.rewriting.test_equivalence import blocks, managers, simple

TESTS = Path(__file__).parents[1]
EVENTS = ("enter_started", "enter_ended", "exit_started", "exit_ended")
PROLOGUE = """\
locks = {"lock": asyncio.Lock(), "pair": asyncio.Semaphore(2)}
locks["bounded"] = asyncio.BoundedSemaphore(1)
"""

names = st.sampled_from(["lock", "pair", "bounded"])
calls = st.one_of(
    st.tuples(st.just("acquire"), names),
    st.tuples(st.just("release"), names),
)


def more_blocks(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    body = st.lists(inner, max_size=3)
    return st.one_of(
        blocks(inner),
        st.tuples(st.just("locked"), names, body),
        st.tuples(st.just("traced"), managers, body),
        st.tuples(st.just("tasks"), st.lists(body, min_size=1, max_size=3)),
    )


programs = st.lists(
    st.recursive(st.one_of(simple, calls), more_blocks, max_leaves=10), min_size=1, max_size=4
)
faults = st.dictionaries(
    st.sampled_from(EVENTS),
    st.tuples(st.integers(1, 4), st.sampled_from(["ValueError", "RecursionError", "MemoryError"])),
    max_size=2,
)
sinks = st.lists(faults, min_size=1, max_size=2)


class Worker:
    """A process of ``event_worker.py``."""

    def __init__(self, **environment: str) -> None:
        path = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "instrument.event_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=TESTS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), **environment},
        )
        self.status: str = self._read()

    def run(self, source: str, sinks: list[Any]) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"source": source, "sinks": sinks}) + "\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the worker has ended"
        return json.loads(line)

    def close(self) -> None:
        self.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def workers() -> Iterator[tuple[Worker, Worker]]:
    """One with native code, one with pure Python."""
    if native.extension("asyncctx_trace.instrument") is None:
        pytest.skip("native code is not used here")
    pair = Worker(), Worker(**{native.PURE: "1"})
    try:
        assert [worker.status for worker in pair] == [
            "native code",
            f"pure Python: {native.PURE} is set",
        ]
        yield pair
    finally:
        for worker in pair:
            worker.close()


def transcripts(workers: tuple[Worker, Worker], statements: Any, sinks: list[Any]) -> list[Any]:
    source = PROLOGUE + program(statements)
    return [worker.run(source, sinks) for worker in workers]


LOCKED = [("locked", "lock", [("await",)]), ("acquire", "pair"), ("release", "pair")]


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(programs, sinks)
@example(LOCKED, [{}])
@example(LOCKED, [{"enter_started": (1, "ValueError")}])
@example(LOCKED, [{"exit_ended": (1, "ValueError")}, {}])
@example([("locked", "lock", [("release", "lock"), ("acquire", "lock")])], [{}])
@example([("locked", "lock", [("release", "lock")])], [{}])
def test_a_random_program_sends_the_same_events_to_the_same_sinks(
    workers: tuple[Worker, Worker], statements: Any, sinks: list[Any]
) -> None:
    """The same log messages, counts and end of the program, too."""
    in_native_code, in_python = transcripts(workers, statements, sinks)

    assert in_native_code == in_python


@pytest.mark.parametrize("event", EVENTS)
def test_a_sink_that_raises_is_disabled_logged_and_counted(
    workers: tuple[Worker, Worker], event: str
) -> None:
    """The other sink and the program go on."""
    for transcript in transcripts(workers, LOCKED, [{event: (1, "ValueError")}, {}]):
        assert transcript["end"] == ["returned", "None"]
        assert transcript["failures"] == 1
        assert transcript["attached"] == [1]
        assert [message.partition(" raised")[0] for message in transcript["messages"]] == [
            "ERROR asyncctx-trace: FaultySink"
        ]
        raised, complete = transcript["events"]
        assert raised[-1] == [event, "raises", "ValueError"]
        assert len(complete) == 8


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("error", ["RecursionError", "MemoryError"])
def test_a_sink_without_stack_or_memory_stays_and_counts(
    workers: tuple[Worker, Worker], event: str, error: str
) -> None:
    """The program has reached its limits; the sink did not fail."""
    for transcript in transcripts(workers, LOCKED, [{event: (1, error)}]):
        assert transcript["end"] == ["returned", "None"]
        assert transcript["missed"] == [1]
        assert transcript["attached"] == [0]
        assert transcript["failures"] == 0
        assert transcript["messages"] == []


@pytest.mark.parametrize("event", EVENTS)
def test_what_a_signal_handler_raises_inside_a_hook_reaches_the_program(
    workers: tuple[Worker, Worker], event: str
) -> None:
    """The sink is not blamed, and the next acquisition is recorded as a whole."""
    statements: list[Any] = [
        ("locked", "lock", []),
        ("locked", "pair", []),
    ]
    in_native_code, in_python = transcripts(workers, statements, [{event: (1, "Signal")}])

    assert in_native_code == in_python
    assert in_python["end"][0] == f"Signal({event} of sink 0)"
    assert in_python["attached"] == [0]
    assert in_python["failures"] == 0
    assert in_python["messages"] == []
