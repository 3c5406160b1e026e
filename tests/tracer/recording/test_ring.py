"""A ring keeps the newest complete acquisitions, and counts those that it dropped."""

from __future__ import annotations

import mmap
import time
from pathlib import Path

import pytest

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.format import (
    SEGMENT,
    SEGMENT_HEADER,
    SEGMENT_IDENTITY,
    SegmentKind,
)
from asyncctx_trace.recording.reading.reader import Recording, read
from asyncctx_trace.recording.writing import ended_processes
from asyncctx_trace.recording.writing.retention import MIN_SIZE, Retention
from asyncctx_trace.recording.writing.ring import LiveSet, RingRecorder
from asyncctx_trace.recording.writing.segments import Segments, create

ROOM = 2 * MIN_SIZE


class Service:
    """A program that runs for long: each request is a task with one acquisition."""

    def __init__(self, path: Path, retention: Retention) -> None:
        if not path.exists():
            create(path)
        self.requests = 0
        self.in_flight: set[int] = set()
        self.recorder = RingRecorder(path, retention, self.live_set)
        self.recorder.manager_defined(1, "asyncio.locks.Lock")
        self.recorder.site_defined(1, "app.py", 12, "handle", "db_lock")
        self.recorder.resource_defined(1, "lock", "db lock", 1)

    def live_set(self) -> LiveSet:
        return LiveSet(acquisitions=self.in_flight, tasks=self.in_flight, resources={1})

    def ask(self) -> int:
        """Let a new task, named after its number, acquire the lock; return its number."""
        self.requests += 1
        one = self.requests
        self.in_flight.add(one)
        self.recorder.task_defined(one, one, f"request-{one}", "asyncio", 0, "MainThread")
        self.recorder.enter_started(time.monotonic_ns(), one, 0, one, 1, 1, 1)
        self.recorder.enter_ended(time.monotonic_ns(), one, Outcome.OK, None)
        return one

    def release(self, one: int) -> None:
        """Let a task fail in its body, with a message of its own, and release the lock."""
        now = time.monotonic_ns()
        self.recorder.exit_started(now, one, one, Outcome.ERROR, ValueError(f"of {one}"))
        self.recorder.exit_ended(now, one, Outcome.OK, False, None)
        self.in_flight.discard(one)

    def serve(self, requests: int) -> None:
        for _ in range(requests):
            self.release(self.ask())


def accounted(timeline: Timeline) -> int:
    """Return how many acquisitions are kept or reported as dropped."""
    return len(timeline) + sum(dropped.acquisitions for dropped in timeline.dropped)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.actx"


def test_the_file_stays_within_its_limit_and_every_acquisition_is_counted(
    path: Path,
) -> None:
    """Ten times as many as fit."""
    service = Service(path, Retention(bytes=ROOM))
    service.serve(30_000)

    timeline = Timeline(read(path))
    assert path.stat().st_size <= ROOM + 2 * SEGMENT
    assert accounted(timeline) == 30_000
    assert 1_000 < len(timeline) < 15_000


def test_the_file_does_not_grow_by_what_is_carried_over_again_and_again(path: Path) -> None:
    """A thousand tasks live as long as the service, and their names fill a segment."""
    service = Service(path, Retention(bytes=ROOM))
    residents = [service.ask() for _ in range(1_000)]
    sizes = []
    for _ in range(4):
        service.serve(10_000)
        sizes.append(path.stat().st_size)

    timeline = Timeline(read(path))
    assert max(sizes) <= ROOM + 2 * SEGMENT
    assert accounted(timeline) == 41_000
    assert set(residents) <= set(timeline.task)
    assert {timeline.tasks[task].name for task in residents} == {f"request-{t}" for t in residents}


def test_a_file_that_had_to_grow_comes_back_to_keeping_its_limit(path: Path) -> None:
    """All that is in flight does not fit; once it has ended, no more is kept than before."""
    service = Service(path, Retention(bytes=MIN_SIZE))
    residents = [service.ask() for _ in range(10_000)]
    service.serve(10_000)
    grown = path.stat().st_size
    for resident in residents:
        service.release(resident)
    service.serve(30_000)

    timeline = Timeline(read(path))
    assert grown > MIN_SIZE + 2 * SEGMENT
    assert path.stat().st_size <= grown + SEGMENT
    assert accounted(timeline) == 50_000
    assert len(timeline) < 6_000


def test_what_is_kept_is_the_newest_and_complete(path: Path) -> None:
    """There are no incomplete acquisitions, and all names and messages are defined."""
    service = Service(path, Retention(bytes=ROOM))
    service.serve(20_000)

    timeline = Timeline(read(path))
    tasks = [acquisition.task for acquisition in timeline]
    assert tasks == list(range(tasks[0], 20_001))
    assert all(acquisition.exit_ended is not None for acquisition in timeline)
    assert {timeline.tasks[task].name for task in tasks} == {f"request-{t}" for t in tasks}
    assert [a.body_error.message for a in timeline if a.body_error] == [f"of {t}" for t in tasks]


def test_a_long_lived_acquisition_is_carried_over(path: Path) -> None:
    """A pool that is open as long as the service is what matters most."""
    service = Service(path, Retention(bytes=ROOM))
    pool = service.ask()
    service.serve(20_000)

    before = Timeline(read(path))
    service.release(pool)
    after = Timeline(read(path))

    (held,) = (acquisition for acquisition in before if acquisition.task == pool)
    assert held.entered
    assert held.exit_started is None
    assert before.tasks[pool].name == "request-1"
    (over,) = (acquisition for acquisition in after if acquisition.task == pool)
    assert over.exit_ended is not None
    assert over.enter_started == held.enter_started


def test_a_follower_sees_everything_although_segments_are_recycled(path: Path) -> None:
    """It polls often enough, and returns nothing twice."""
    service = Service(path, Retention(bytes=ROOM))
    timeline = Timeline()
    with Recording(path) as recording:
        for _ in range(100):
            service.serve(200)
            timeline.extend(recording.poll())
        timeline.extend(recording.poll())

    assert [acquisition.task for acquisition in timeline] == list(range(1, 20_001))


def test_a_follower_may_start_late(path: Path) -> None:
    """All segments were recycled many times before it opened the file."""
    service = Service(path, Retention(bytes=ROOM))
    service.serve(20_000)
    timeline = Timeline()
    with Recording(path) as recording:
        for _ in range(60):
            timeline.extend(recording.poll())
            service.serve(200)
        timeline.extend(recording.poll())

    tasks = [acquisition.task for acquisition in timeline]
    assert tasks == list(range(tasks[0], 32_001))


def test_a_slow_follower_learns_what_it_missed(path: Path) -> None:
    """Then it continues with what is there."""
    service = Service(path, Retention(bytes=ROOM))
    timeline = Timeline()
    with Recording(path) as recording:
        service.serve(100)
        timeline.extend(recording.poll())
        service.serve(30_000)
        for _ in range(3):
            timeline.extend(recording.poll())

    tasks = [acquisition.task for acquisition in timeline]
    assert tasks[:100] == list(range(1, 101))
    assert tasks[-1] == 30_100
    assert len(set(tasks)) == len(tasks)
    assert accounted(timeline) >= 30_100


def test_old_lines_of_output_are_dropped_and_counted(path: Path) -> None:
    """The newest are kept."""
    service = Service(path, Retention(bytes=MIN_SIZE))
    for number in range(40_000):
        service.recorder.printed(number, "stdout", f"line {number}")

    timeline = Timeline(read(path))
    (dropped,) = timeline.dropped
    gone = dropped.lines
    assert gone + len(timeline.printed) == 40_000
    assert timeline.printed[-1].text == "line 39999"
    assert path.stat().st_size <= MIN_SIZE + 2 * SEGMENT


def test_by_duration_nothing_recent_is_dropped(path: Path) -> None:
    """The limit is an hour, and the events are those of a minute."""
    service = Service(path, Retention(ns=3600 * 10**9))
    service.serve(10_000)

    assert len(Timeline(read(path))) == 10_000


def test_by_duration_old_acquisitions_are_dropped(path: Path) -> None:
    """The limit is over before the next event comes; all that was given up is one note."""
    service = Service(path, Retention(ns=1))
    service.serve(20_000)

    timeline = Timeline(read(path))
    assert accounted(timeline) == 20_000
    assert len(timeline.dropped) == 1
    assert MIN_SIZE <= path.stat().st_size <= MIN_SIZE + 4 * SEGMENT


def test_a_segment_is_invalid_while_it_is_emptied(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that reads it at this moment must not take zeros for its end."""
    emptied: list[bool] = []
    write_header = Segments._write_header  # noqa: SLF001 - a moment nobody else sees

    def check(segments: Segments, page: mmap.mmap, kind: SegmentKind) -> None:
        if any(page[: SEGMENT_IDENTITY.stop]):  # of an old segment
            emptied.append(not any(page[SEGMENT_HEADER.size - 1 :]))
        write_header(segments, page, kind)

    monkeypatch.setattr(Segments, "_write_header", check)
    Service(path, Retention(bytes=MIN_SIZE)).serve(20_000)

    assert emptied
    assert all(emptied)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("200MB", Retention(bytes=200_000_000)),
        ("1 GiB", Retention(bytes=2**30)),
        ("1kb", Retention(bytes=MIN_SIZE)),
        ("90s", Retention(ns=90 * 10**9)),
        ("10m", Retention(ns=600 * 10**9)),
        ("1.5h", Retention(ns=5400 * 10**9)),
    ],
)
def test_a_limit_is_a_size_or_a_duration(text: str, bound: Retention) -> None:
    """In the usual notations."""
    assert Retention.parse(text) == bound


@pytest.mark.parametrize("text", ["", "200", "MB", "10 parsecs", "-5m"])
def test_an_invalid_limit_is_refused_with_an_example(text: str) -> None:
    """In one line."""
    with pytest.raises(
        AsyncctxTraceError, match="use a size such as 200MB or a duration such as 90s"
    ):
        Retention.parse(text)


@pytest.mark.parametrize("residents", [1, 1_500], ids=["one", "more than a segment"])
def test_a_kill_at_any_instant_of_recycling_loses_nothing_uncounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, residents: int
) -> None:
    """What is carried over is in the file before its old segment is given up."""
    service = Service(tmp_path / "x.actx", Retention.parse("1MB"))
    long = {service.ask() for _ in range(residents)}
    left: list[tuple[int, bytes]] = []

    def observe(name: str) -> None:
        original = getattr(Segments, name)

        def observed(self: Segments, *arguments: object) -> object:
            left.append((service.requests, service.recorder.path.read_bytes()))
            result = original(self, *arguments)
            left.append((service.requests, service.recorder.path.read_bytes()))
            return result

        monkeypatch.setattr(Segments, name, observed)

    for name in ("content", "reuse", "retire"):
        observe(name)
    while len(left) < 60:
        service.release(service.ask())
    service.recorder.close()

    killed = tmp_path / "killed.actx"
    for requests, content in left:
        killed.write_bytes(content)
        timeline = Timeline(read(killed))
        dropped = sum(each.acquisitions for each in timeline.dropped)
        assert len(timeline) + dropped >= requests - 1  # the last one may be under way
        assert long <= set(timeline.id)
        assert {timeline.tasks[task].name for task in timeline.task} == {
            f"request-{task}" for task in timeline.task
        }
        assert {timeline.resources[resource].name for resource in timeline.resource} == {"db lock"}


def test_a_reader_that_comes_later_sees_a_spare_segment_being_reused(tmp_path: Path) -> None:
    """At its first look the segment has no header, and is not the last of the file."""
    service = Service(tmp_path / "x.actx", Retention.parse("1MB"))
    while not service.recorder._spare:  # noqa: SLF001 - not visible in the file
        service.release(service.ask())
    with Recording(service.recorder.path) as recording:
        seen = {each.task for each in recording.poll().definitions if hasattr(each, "task")}
        for _ in range(20):
            for _ in range(300):
                service.release(service.ask())
            seen |= {each.task for each in recording.poll().definitions if hasattr(each, "task")}

    assert seen >= set(range(service.requests - 5999, service.requests + 1))


def test_a_reader_opened_again_reads_what_is_left_with_the_same_ids(tmp_path: Path) -> None:
    """A ring that has turned over is read again, to forget what it has given up."""
    service = Service(tmp_path / "x.actx", Retention(bytes=MIN_SIZE))
    timeline = Timeline()
    with Recording(service.recorder.path) as recording:
        timeline.extend(recording.poll())
        turned_over = [recording.turned_over]
        for _ in range(150):
            service.serve(200)
            timeline.extend(recording.poll())
        turned_over.append(recording.turned_over)
        with recording.reopened() as again:
            left = Timeline(again.poll())
            turned_over.append(again.turned_over)

    assert turned_over == [False, True, False]
    assert len(left) < len(timeline) / 3
    assert {left.tasks[task].name for task in left.task} <= {
        timeline.tasks[task].name for task in timeline.task
    }
    assert [timeline.tasks[task].name for task in left.task] == [
        left.tasks[task].name for task in left.task
    ]


@pytest.fixture
def ended_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other recorder belongs to a process that has ended."""
    monkeypatch.setattr(ended_processes, "runs", lambda _pid: False)


@pytest.mark.usefixtures("ended_at_once")
@pytest.mark.parametrize("requests", [100, 1_200], ids=["short-lived", "of some segments"])
def test_processes_that_have_ended_make_room_for_others(path: Path, requests: int) -> None:
    """The size is that of the whole file; who follows it sees all, and who comes later the rest."""
    followed = Timeline()
    create(path)
    with Recording(path) as recording:
        for _ in range(40):
            Service(path, Retention(bytes=ROOM)).serve(requests)
            followed.extend(recording.poll())

    timeline = Timeline(read(path))
    assert path.stat().st_size <= ROOM + 4 * SEGMENT
    assert accounted(timeline) == 40 * requests
    assert len(timeline) > 500
    if requests == 100:
        assert len(followed) == 40 * requests


@pytest.mark.usefixtures("ended_at_once")
def test_what_ended_processes_printed_is_counted_when_it_is_given_up(path: Path) -> None:
    """Of those that are given up, only numbers are left."""
    for _ in range(60):
        service = Service(path, Retention(bytes=MIN_SIZE))
        service.recorder.printed(time.monotonic_ns(), "stdout", "a line")
        service.serve(50)

    timeline = Timeline(read(path))
    assert len(timeline.printed) + sum(each.lines for each in timeline.dropped) == 60
    assert len(timeline.processes) < 20
    assert len(timeline.dropped) < 20


@pytest.mark.usefixtures("ended_at_once")
def test_a_kill_while_it_takes_over_loses_nothing_uncounted(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is given up is counted before the segment is claimed."""
    left: list[tuple[int, bytes]] = []
    claim = Segments.claim
    before = 0

    def observed(segments: Segments, offset: int) -> None:
        left.append((before, path.read_bytes()))
        claim(segments, offset)
        left.append((before, path.read_bytes()))

    monkeypatch.setattr(Segments, "claim", observed)
    for _ in range(30):
        Service(path, Retention(bytes=MIN_SIZE)).serve(100)
        before += 100

    killed = tmp_path / "killed.actx"
    for requests, content in left[:60]:
        killed.write_bytes(content)
        assert accounted(Timeline(read(killed))) >= requests
    assert len(left) > 40


@pytest.mark.usefixtures("ended_at_once")
def test_by_duration_ended_processes_are_kept_as_long(path: Path) -> None:
    """Nothing is given up that is not older."""
    for _ in range(20):
        Service(path, Retention(ns=10**12)).serve(100)
    for _ in range(20):
        Service(path, Retention(ns=1)).serve(100)

    timeline = Timeline(read(path))
    assert accounted(timeline) == 4_000
    assert 1_500 < len(timeline) <= 2_000
    assert path.stat().st_size <= 46 * SEGMENT
