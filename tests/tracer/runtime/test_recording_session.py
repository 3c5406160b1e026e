"""A program records itself, with a ``with`` block or an environment variable."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from textwrap import dedent

import pytest

from asyncctx_trace import AlreadyRecording, RecordingExists, record, traced
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.instrument.registry import tasks
from asyncctx_trace.recording.format import SEGMENT
from asyncctx_trace.recording.reading.reader import read
from asyncctx_trace.recording.writing.retention import MIN_SIZE


@pytest.fixture(autouse=True)
def no_earlier_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks and threads of other tests, to which something may still refer, are not recorded."""
    known, earlier = tasks.known, {task.id for task in tasks.known()}
    monkeypatch.setattr(tasks, "known", lambda: [t for t in known() if t.id not in earlier])
    monkeypatch.setattr(tasks, "_outside_tasks", [])
    monkeypatch.setattr(tasks, "_outside", threading.local())


async def use(lock: asyncio.Lock) -> None:
    async with lock:
        await asyncio.sleep(0)


def names(path: Path) -> list[str]:
    timeline = Timeline(read(path))
    return [timeline.resources[acquisition.resource].name for acquisition in timeline]


def test_a_with_block_records_what_happens_in_it(tmp_path: Path) -> None:
    """Not what happens before and after."""
    path = tmp_path / "a.actx"
    asyncio.run(use(traced(asyncio.Lock(), name="before")))
    with record(path):
        asyncio.run(use(traced(asyncio.Lock(), name="inside")))
    asyncio.run(use(traced(asyncio.Lock(), name="after")))

    assert names(path) == ["inside"]


def test_a_task_that_ended_without_releasing_is_recorded_as_ended(tmp_path: Path) -> None:
    """Even if the program keeps the task object; so what it holds is a leak."""
    path = tmp_path / "a.actx"
    kept: list[object] = []

    async def main() -> None:
        kept.append(asyncio.current_task())
        await traced(asyncio.Lock(), name="lock").__aenter__()

    with record(path):
        asyncio.run(main())

    timeline = Timeline(read(path))
    assert len(timeline.in_flight) == 1
    assert set(timeline.task_ended) == set(timeline.tasks)


def test_an_async_with_block_does_the_same(tmp_path: Path) -> None:
    """For code that is async already."""
    path = tmp_path / "a.actx"

    async def main() -> None:
        lock = traced(asyncio.Lock(), name="inside")
        async with record(path):
            await asyncio.gather(use(lock), use(lock))

    asyncio.run(main())

    assert names(path) == ["inside", "inside"]


def test_a_second_recording_at_the_same_time_is_refused(tmp_path: Path) -> None:
    """Its events would be divided between two files."""
    with (
        record(tmp_path / "a.actx"),
        pytest.raises(AlreadyRecording, match=r"a\.actx: end that recording first"),
        record(tmp_path / "b.actx"),
    ):
        pass

    assert not (tmp_path / "b.actx").exists()


def test_recordings_one_after_the_other_are_possible(tmp_path: Path) -> None:
    """Objects that were traced before the second recording are defined in it."""
    lock = traced(asyncio.Lock(), name="lock")
    for name in ("a.actx", "b.actx"):
        with record(tmp_path / name):
            asyncio.run(use(lock))

    assert names(tmp_path / "a.actx") == names(tmp_path / "b.actx") == ["lock"]


def runtimes(path: Path) -> list[str]:
    return sorted(task.runtime for task in Timeline(read(path)).tasks.values())


def test_a_recording_does_not_contain_threads_of_an_earlier_one(tmp_path: Path) -> None:
    """Code outside any task counts as a task of its thread, in the recordings in which it runs."""
    permits, lock = traced(asyncio.Semaphore(1)), traced(asyncio.Lock())
    with record(tmp_path / "a.actx"):
        permits.release()
    with record(tmp_path / "b.actx"):
        asyncio.run(use(lock))

    assert runtimes(tmp_path / "a.actx") == ["none"]
    assert runtimes(tmp_path / "b.actx") == ["asyncio"]


def test_a_thread_may_release_what_it_acquired_before_the_recording(tmp_path: Path) -> None:
    """So it is defined in the later recording too."""
    lock = traced(asyncio.Lock())
    with record(tmp_path / "a.actx"), pytest.raises(StopIteration):
        lock.acquire().send(None)
    with record(tmp_path / "b.actx"):
        lock.release()

    assert runtimes(tmp_path / "a.actx") == runtimes(tmp_path / "b.actx") == ["none"]


def test_an_existing_file_is_replaced_only_with_overwrite(tmp_path: Path) -> None:
    """Otherwise the block is not entered."""
    path = tmp_path / "a.actx"
    path.write_text("precious")
    with pytest.raises(RecordingExists), record(path):
        raise AssertionError("the block has begun")
    with record(path, overwrite=True):
        pass

    assert len(read(path)) > 0


PROGRAM = """
    import asyncio, multiprocessing, os, sys
    from asyncctx_trace import traced

    async def work(name):
        async with traced(asyncio.Lock(), name=name):
            pass

    def worker():
        asyncio.run(work("worker"))

    if __name__ == "__main__":
        asyncio.run(work("main"))
        os.chdir("/")
        process = multiprocessing.get_context("spawn").Process(target=worker)
        process.start()
        process.join()
"""


def run_with(tmp_path: Path, value: str) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "app.py"
    script.write_text(dedent(PROGRAM))
    return subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={"ASYNCCTX_TRACE_RECORD": value},
        capture_output=True,
        text=True,
        check=True,
    )


def test_an_environment_variable_records_a_program(tmp_path: Path) -> None:
    """Its worker processes add to the same recording, in any working directory."""
    done = run_with(tmp_path, "a.actx")

    assert (done.stdout, done.stderr) == ("", "")
    assert names(tmp_path / "a.actx") == ["main", "worker"]


def test_an_error_is_printed_and_the_program_continues(tmp_path: Path) -> None:
    """In one line; the existing file stays as it was."""
    (tmp_path / "a.actx").write_text("precious")
    done = run_with(tmp_path, "a.actx")

    first, *_ = done.stderr.splitlines()
    assert first.startswith("asyncctx-trace: not recording: ")
    assert "a.actx exists" in first
    assert (tmp_path / "a.actx").read_text() == "precious"


def test_an_empty_variable_records_nothing(tmp_path: Path) -> None:
    """As if it was not set."""
    run_with(tmp_path, "")

    assert list(tmp_path.glob("*.actx")) == []


def test_locks_that_are_dropped_while_held_do_not_fill_a_ring(tmp_path: Path) -> None:
    """Nobody can release them, so that nothing of them has to be kept."""
    program = tmp_path / "program.py"
    program.write_text(
        dedent(
            """
            import asyncio, sys
            from asyncctx_trace import install, record

            install()
            async def main():
                for _ in range(8_000):
                    await asyncio.Lock().acquire()
                    async with asyncio.Lock():
                        pass

            with record(sys.argv[1], keep="1MB"):
                asyncio.run(main())
            """
        )
    )
    path = tmp_path / "a.actx"
    subprocess.run([sys.executable, program, path], check=True)

    timeline = Timeline(read(path))
    assert path.stat().st_size <= MIN_SIZE + 4 * SEGMENT
    assert len(timeline) + sum(dropped.acquisitions for dropped in timeline.dropped) == 16_000
