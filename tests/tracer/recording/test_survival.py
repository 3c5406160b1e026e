"""A recording survives its program, and a program is not harmed by its recording."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from asyncctx_trace.model.events import Dropped, ExitEnded, ProcessDefined, ProcessEnded, TaskEnded
from asyncctx_trace.recording.reading.reader import read
from asyncctx_trace.recording.writing.segments import create
from recording.builders import recorder, script

COUNTING = """
    import os, sys
    from pathlib import Path
    from asyncctx_trace.recording.writing.writer import Recorder

    recorder = Recorder(Path(sys.argv[1]))
    recorder.task_defined(1, 1, "worker", "asyncio", 0, "MainThread")
    count = 0
    while True:
        recorder.task_ended(count, 1)
        count += 1
        os.write(1, b".")  # a byte for every fact that has been published
"""

LOCKING = """
    import asyncio, os, sys
    import asyncctx_trace
    from asyncctx_trace import traced

    async def worker(lock):
        while True:
            async with lock:
                await asyncio.sleep(0)
            os.write(1, b".")  # a byte for every acquisition that is over

    async def main():
        lock = traced(asyncio.Lock(), name="db lock")
        await asyncio.gather(*(worker(lock) for _ in range(5)))

    with asyncctx_trace.record(sys.argv[1], overwrite=True):
        asyncio.run(main())
"""


def killed_at_a_random_instant(source: str, path: Path, luck: random.Random) -> int:
    """Run ``source`` until SIGKILL; return how many bytes it had printed by then."""
    with script(source, path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.read(1)
        # No synchronisation: the instant is meant to be any.
        time.sleep(luck.uniform(0, 0.03))
        process.kill()
        return len(first + process.stdout.read())


@pytest.mark.parametrize("seed", range(12))
def test_sigkill_loses_no_recorded_event(tmp_path: Path, seed: int) -> None:
    """The program counts through a pipe; one more event may lie between recording and counting."""
    path = tmp_path / "a.actx"
    create(path)
    counted = killed_at_a_random_instant(COUNTING, path, random.Random(seed))

    recorded = sum(isinstance(event, TaskEnded) for event in read(path))
    assert counted <= recorded <= counted + 1


@pytest.mark.parametrize("seed", range(8))
def test_sigkill_during_contention_loses_no_acquisition(tmp_path: Path, seed: int) -> None:
    """Five tasks on one lock, recorded by the program itself."""
    path = tmp_path / "a.actx"
    counted = killed_at_a_random_instant(LOCKING, path, random.Random(seed))

    over = sum(isinstance(event, ExitEnded) for event in read(path))
    assert counted <= over <= counted + 1


def test_a_full_disk_stops_the_recording_and_not_the_program(tmp_path: Path) -> None:
    """What does not fit is counted in complete acquisitions; the program ends as usual."""
    source = """
        import asyncio, sys
        import asyncctx_trace
        from asyncctx_trace import traced

        async def main():
            lock = traced(asyncio.Lock(), name="db lock")
            for _ in range(4_000):
                async with lock:
                    pass

        with asyncctx_trace.record(sys.argv[1]):
            asyncio.run(main())
        print("done")
    """
    path = tmp_path / "a.actx"
    room = 500_000

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    with script(
        source, path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=small_disk
    ) as process:
        printed, complaints = process.communicate()
    events = read(path)

    assert (process.returncode, printed) == (0, b"done\n")
    assert complaints.count(b"the recording stops here") == 1
    over = sum(isinstance(event, ExitEnded) for event in events)
    dropped = sum(event.acquisitions for event in events if isinstance(event, Dropped))
    assert 0 < over < 4_000
    assert over + dropped in (3_999, 4_000)  # one may have been cut in its middle


def test_a_forked_child_writes_to_pages_of_its_own(tmp_path: Path) -> None:
    """Both continue after the fork; neither overwrites the other's records."""
    source = """
        import os, sys
        import asyncio, asyncctx_trace
        from asyncctx_trace import traced

        async def work(lock):
            for _ in range(2_000):
                async with lock:
                    pass

        with asyncctx_trace.record(sys.argv[1]):
            lock = traced(asyncio.Lock(), name="db lock")
            asyncio.run(work(lock))
            child = os.fork()
            asyncio.run(work(lock))
            if not child:
                os._exit(0)
            os.waitpid(child, 0)
    """
    path = tmp_path / "a.actx"
    assert script(source, path).wait() == 0

    events = read(path)
    assert sum(isinstance(event, ExitEnded) for event in events) == 6_000
    assert sum(isinstance(event, ProcessDefined) for event in events) == 2


@pytest.mark.parametrize("keep", ["all", "1MB"])
def test_a_program_that_closes_every_descriptor_keeps_its_files_intact(
    tmp_path: Path, keep: str
) -> None:
    """Daemons do this; their next files get the same numbers."""
    source = """
        import os, sys
        from pathlib import Path
        from asyncctx_trace.recording.writing.retention import Retention
        from asyncctx_trace.recording.writing.ring import LiveSet, RingRecorder
        from asyncctx_trace.recording.writing.writer import Recorder

        path, keep = Path(sys.argv[1]), sys.argv[2]
        if keep == "all":
            recorder = Recorder(path)
        else:
            recorder = RingRecorder(path, Retention.parse(keep), LiveSet)
        for number in range(30_000):  # so that a ring has segments to recycle
            recorder.task_ended(number, 1)
        os.closerange(3, 64)
        theirs = [open(f"{sys.argv[1]}.{n}", "wb") for n in range(8)]
        for number in range(10_000):
            recorder.task_ended(30_000 + number, 1)
        recorder.close()
        for file in theirs:
            file.write(b"ours alone")
            file.close()
    """
    path = tmp_path / "a.actx"
    create(path)
    assert script(source, path, keep).wait() == 0

    ended = [event.at for event in read(path) if isinstance(event, TaskEnded)]
    assert ended[-10_000:] == list(range(30_000, 40_000))
    assert {file.read_bytes() for file in tmp_path.glob("a.actx.*")} == {b"ours alone"}


def test_an_event_after_the_end_of_the_recording_is_harmless(tmp_path: Path) -> None:
    """The file is closed while another thread is still at work."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    writer.close()
    for number in range(10_000):
        writer.task_ended(number, 1)

    assert sum(isinstance(event, ProcessEnded) for event in read(path)) == 1
