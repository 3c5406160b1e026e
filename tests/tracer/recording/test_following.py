"""A reader in another process sees an event as soon as it is recorded."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from asyncctx_trace.model.events import EnterStarted, ProcessDefined, RecordedEvent, TaskEnded
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.format import RECORD, SEGMENT_HEADER
from asyncctx_trace.recording.reading.batch import Batch
from asyncctx_trace.recording.reading.reader import Recording
from asyncctx_trace.recording.writing.segments import create
from recording.builders import recorder, script

WRITER = """
    import sys
    from asyncctx_trace.recording.writing.writer import Recorder
    from pathlib import Path

    recorder = Recorder(Path(sys.argv[1]))
    for line in sys.stdin:  # publishes as many facts as it is told, then says so
        for number in range(int(line)):
            recorder.task_ended(1, 1)
        print("published", flush=True)
"""


def test_every_recorded_event_is_seen_by_the_next_poll(tmp_path: Path) -> None:
    """No flush, no delay: the writer says that it has recorded, and one poll returns it."""
    path = tmp_path / "a.actx"
    create(path)
    with (
        script(WRITER, path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer,
        Recording(path) as recording,
    ):
        assert writer.stdin is not None
        assert writer.stdout is not None
        seen = []
        for count in (1, 1, 7, 3_000, 1, 9_999):  # some of them turn pages
            writer.stdin.write(b"%d\n" % count)
            writer.stdin.flush()
            writer.stdout.readline()
            seen.append(sum(isinstance(event, TaskEnded) for event in recording.poll()))
        assert recording.alive
        writer.stdin.close()
        writer.wait()

        assert seen == [1, 1, 7, 3_000, 1, 9_999]
        assert not recording.alive


def test_ids_of_different_processes_are_different(tmp_path: Path) -> None:
    """Two processes number their tasks from one; in the recording they are two tasks."""
    path = tmp_path / "a.actx"
    create(path)
    for _ in range(2):
        script(WRITER, path, stdin=subprocess.PIPE).communicate(b"1\n")

    with Recording(path) as recording:
        events = recording.poll()
    tasks = {event.task for event in events if isinstance(event, TaskEnded)}
    processes = [event.process for event in events if isinstance(event, ProcessDefined)]
    assert len(tasks) == 2
    assert processes == [0, 1]


def test_a_record_that_is_written_during_a_read_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read has copied the first half of a free slot when the recorder fills it."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    to_write = [(11, 1), (12, 2)]
    read_at_once = os.pread

    def read_in_two_steps(fd: int, size: int, offset: int) -> bytes:
        until = min(size, RECORD // 2)
        start = read_at_once(fd, until, offset)
        if size != SEGMENT_HEADER.size and to_write:
            writer.task_ended(*to_write.pop(0))
        return start + read_at_once(fd, size - until, offset + until)

    with Recording(path) as recording:
        recording.poll()
        monkeypatch.setattr(os, "pread", read_in_two_steps)
        seen = [e for _ in range(4) for e in recording.poll() if isinstance(e, TaskEnded)]

    assert [(event.at, event.task) for event in seen] == [(11, 1), (12, 2)]


def test_a_slot_that_is_being_filled_holds_back_those_after_it(tmp_path: Path) -> None:
    """A thread has taken its slot and not written yet; the next thread's record is complete."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    page = writer.page
    writer.task_ended(1, 1)
    writer.append_record(bytes(RECORD))  # what a slot looks like that is taken
    taken = SEGMENT_HEADER.size + RECORD
    writer.task_ended(3, 3)

    with Recording(path) as recording:
        before = [e.task for e in recording.poll() if isinstance(e, TaskEnded)]
        assert page is not None
        page[taken : taken + RECORD] = page[SEGMENT_HEADER.size : SEGMENT_HEADER.size + RECORD]
        after = [e.task for e in recording.poll() if isinstance(e, TaskEnded)]

    assert before == [1]
    assert after == [1, 3]


def test_a_slot_that_was_never_filled_hides_nothing_once_its_writer_is_dead(
    tmp_path: Path,
) -> None:
    """The process was killed between taking a slot and writing to it."""
    path = tmp_path / "a.actx"
    create(path)
    source = """
        import os, signal, sys
        from asyncctx_trace.recording.writing.writer import Recorder
        from pathlib import Path

        recorder = Recorder(Path(sys.argv[1]))
        recorder.task_ended(1, 1)
        recorder.append_record(bytes(48))  # what a slot looks like that is taken
        recorder.task_ended(3, 3)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert script(source, path).wait() == -signal.SIGKILL

    with Recording(path) as recording:
        events = [*recording.poll(), *recording.poll()]
    assert [event.task for event in events if isinstance(event, TaskEnded)] == [1, 3]


def test_the_reader_polls_only_segments_that_can_grow(tmp_path: Path) -> None:
    """However long the recording is, a poll costs as much as there is new."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    with Recording(path) as recording:
        for number in range(20_000):
            writer.task_ended(number, 1)
            if number % 5_000 == 0:
                recording.poll()
        recording.poll()

        assert len(recording._open) <= 2  # noqa: SLF001 - what a poll looks at


def test_a_recording_continues_when_its_file_is_deleted(tmp_path: Path) -> None:
    """The program and the reader have opened it."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    with Recording(path) as recording:
        os.unlink(path)  # noqa: PTH108 - as the user's `rm` does
        for number in range(5_000):
            writer.task_ended(number, 1)

        assert sum(isinstance(event, TaskEnded) for event in recording.poll()) == 5_000


def test_a_large_recording_can_be_read_in_parts(tmp_path: Path) -> None:
    """Each part is limited, none is lost, and every name is defined when it is needed."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    for number in range(1, 9_000):
        if number % 100 == 0:  # names come late, in a segment behind the facts'
            writer.manager_defined(number, "x" * 1_000)
            writer.enter_started(number, number, 0, 1, number, 1, 1)
        else:
            writer.task_ended(number, number)
    with Recording(path) as recording:
        bits = []
        while bit := recording.poll(segments=1):
            bits.append([event.at for event in bit if isinstance(event, TaskEnded | EnterStarted)])
            managers = {event.manager for event in bit if isinstance(event, EnterStarted)}
            assert managers <= {"x" * 1_000}

    assert len(bits) == 4
    assert [at for bit in bits for at in bit] == list(range(1, 9_000))


def times_of(batch: Batch) -> list[int]:
    """Return the times of the records in a batch."""
    return [event.at for event in batch if isinstance(event, RecordedEvent)]


def test_acquisitions_that_begin_and_end_between_two_polls_can_be_left_out(tmp_path: Path) -> None:
    """What is left are those that began or ended in another poll, or have not ended."""
    path = tmp_path / "a.actx"
    writer = recorder(path)
    with Recording(path) as recording:
        writer.enter_started(1, 1, 0, 1, 1, 1, 1)  # ends in the next look
        writer.enter_started(2, 2, 0, 1, 1, 1, 1)  # passes
        writer.enter_ended(3, 2, Outcome.OK, None)
        writer.exit_started(4, 2, 1, Outcome.OK, None)
        writer.exit_ended(5, 2, Outcome.OK, False, None)
        writer.enter_started(6, 3, 0, 1, 1, 1, 1)  # never gets in
        writer.enter_ended(7, 3, Outcome.CANCELLED, None)
        first = times_of(recording.poll().without_completed())
        writer.enter_ended(8, 1, Outcome.ERROR, None)
        writer.enter_started(9, 4, 0, 1, 1, 1, 1)  # lasts
        writer.task_ended(10, 7)
        second = times_of(recording.poll().without_completed())

    assert first == [1]
    assert second == [8, 9, 10]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux")
def test_a_zombie_process_has_ended(tmp_path: Path) -> None:
    """Its launcher was killed as well, so that nobody waits for it for a while."""
    path = tmp_path / "a.actx"
    create(path)
    source = """
        import os, sys, time
        from pathlib import Path
        from asyncctx_trace.recording.writing.writer import Recorder
        Recorder(Path(sys.argv[1]))
        os.kill(os.getpid(), 9)
    """
    process = script(source, path)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    try:
        with Recording(path) as recording:
            recording.poll()
            assert not recording.alive
    finally:
        process.wait()
