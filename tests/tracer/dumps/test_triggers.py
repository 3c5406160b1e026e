"""Each planted anomaly is kept whole, with what happened in the seconds before and after."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import Recording, read
from asyncctx_trace.recording.writing.retention import MIN_SIZE

from .service import LOCK, OTHER, POOL, SECOND, Service


def plant_long_wait(service: Service) -> None:
    """A task holds the lock for 2.5 s; another one waits for it."""
    holder, waiter = service.task("culprit"), service.task("victim")
    held = service.enter(holder, LOCK)
    waiting = service.ask(waiter, LOCK)
    service.pass_time(5 * SECOND // 2)
    service.leave(held, holder)
    service.get(waiting)
    service.leave(waiting, waiter)


def plant_full_pool(service: Service) -> None:
    """Both permits are held for 6 s, though not always by the same tasks."""
    tasks = [service.task("culprit"), service.task("victim")]
    held = [service.enter(task, POOL) for task in tasks]
    for _ in range(6):
        service.pass_time(SECOND)
        service.leave(held[0], tasks[0])
        held[0] = service.enter(tasks[0], POOL)
    for task, acquisition in zip(tasks, held, strict=True):
        service.leave(acquisition, task)


def plant_deadlock(service: Service) -> None:
    """Two tasks wait for what the other one holds."""
    one, other = service.task("culprit"), service.task("victim")
    service.enter(one, LOCK)
    service.enter(other, OTHER)
    service.ask(one, OTHER)
    service.ask(other, LOCK)
    service.pass_time(3 * SECOND)


def plant_leak(service: Service) -> None:
    """A task ends while it holds the lock."""
    culprit, victim = service.task("culprit"), service.task("victim")
    service.enter(culprit, LOCK)
    service.end_task(culprit)
    service.ask(victim, LOCK)
    service.pass_time(2 * SECOND)


def plant_enter_error(service: Service) -> None:
    """The enter raises."""
    culprit = service.task("culprit")
    service.get(service.ask(culprit, POOL), ConnectionRefusedError("no"))
    service.enter(service.task("victim"), POOL)


def plant_error(service: Service) -> None:
    """The body raises a subclass of what was asked for."""
    culprit = service.task("culprit")
    service.leave(service.enter(culprit, LOCK), culprit, ConnectionResetError("gone"))
    service.enter(service.task("victim"), LOCK)


def plant_lag(service: Service) -> None:
    """The loop stands still for 300 ms; only the watchdog runs."""
    culprit = service.task("culprit")
    held = service.enter(culprit, LOCK)
    since = service.now
    service.pass_time(SECOND // 10)
    service.recorder.stall_started(since, service.now, 1, culprit, 1, [("app.py", 12, "handle")])
    service.pass_time(SECOND // 5)
    service.recorder.stall_ended(service.now, 1, 0, 0)
    service.leave(held, culprit)
    service.enter(service.task("victim"), LOCK)


def plant_slow_wait(service: Service) -> None:
    """Waits take 1 ms, hundreds of times; then one takes 200 ms."""
    culprit, victim = service.task("culprit"), service.task("victim")
    for _ in range(300):
        waiting = service.ask(victim, LOCK)
        service.now += SECOND // 1000
        service.get(waiting)
        service.leave(waiting, victim)
    held = service.enter(culprit, LOCK)
    waiting = service.ask(victim, LOCK)
    service.pass_time(SECOND // 5)
    service.leave(held, culprit)
    service.get(waiting)


def plant_signal(service: Service) -> None:
    """Somebody sends SIGUSR2 while two tasks hold something."""
    service.enter(service.task("culprit"), LOCK)
    service.enter(service.task("victim"), POOL)
    service.flight.signalled("SIGUSR2")


def plant_call(service: Service) -> None:
    """The program asks for a dump."""
    service.enter(service.task("culprit"), LOCK)
    service.enter(service.task("victim"), POOL)
    assert service.flight.dump("why") is not None


ANOMALIES: dict[str, tuple[Callable[[Service], None], str]] = {
    "wait>2s": (plant_long_wait, "victim has waited 2.0"),
    "wait(db*)>10*p99": (plant_slow_wait, "99 % of the waits for it take at most 1.0"),
    "full(db pool)>5s": (plant_full_pool, "all 2 permits of db pool have been held for 5."),
    "deadlock": (plant_deadlock, "deadlock: "),
    "leak": (plant_leak, "was entered by culprit and never exited"),
    "enter-error": (plant_enter_error, "the enter of db pool raised ConnectionRefusedError"),
    "error(OSError)": (plant_error, "ConnectionResetError ended a body"),
    "lag>200ms": (plant_lag, "a callback has blocked the event loop for 2"),
    "SIGUSR2": (plant_signal, "the program got SIGUSR2"),
    "call": (plant_call, "why"),
}


@pytest.mark.parametrize("trigger", ANOMALIES)
def test_an_anomaly_is_kept_whole_with_the_seconds_before_and_after(
    trigger: str, tmp_path: Path
) -> None:
    """What began long before, and is still in flight, is included; all names are defined."""
    plant, reason = ANOMALIES[trigger]
    on = [] if trigger == "call" else [trigger]
    service = Service(tmp_path / "a.actx", *on, before="8s", after="3s", size=MIN_SIZE)
    resident = service.task("resident")
    service.enter(resident, POOL)
    service.pass_time(20 * SECOND, requests="before")
    planted = service.now
    plant(service)
    service.pass_time(20 * SECOND, requests="after")

    (dump,) = (tmp_path / "a.dumps").glob("*.actx")
    timeline = Timeline(read(dump))
    note = timeline.dump
    assert note is not None
    assert (note.trigger, note.suppressed) == (trigger, 0)
    assert reason in note.reason
    assert planted <= note.triggered
    assert (note.triggered - note.since, note.at - note.triggered) == (8 * SECOND, 3 * SECOND)
    tasks = {timeline.tasks[acquisition.task].name for acquisition in timeline}
    assert {"culprit", "victim", "resident"} <= tasks
    requests = sorted(
        acquisition.enter_started
        for acquisition in timeline
        if timeline.tasks[acquisition.task].name.startswith(("before", "after"))
    )
    step = SECOND // 25
    assert note.since <= requests[0] < note.since + 2 * step or requests[0] >= planted
    assert note.at - 2 * step < requests[-1] <= note.at
    assert service.counts["written"] == 1


def test_a_dump_is_readable_by_its_owner_only_and_appears_at_once(tmp_path: Path) -> None:
    """Before it is complete, it has another name; nothing follows it as a growing recording."""
    service = Service(tmp_path / "a.actx", after="1s")
    path = service.flight.dump("why")
    assert path is not None
    service.pass_time(SECOND // 2)
    assert not path.exists()
    service.pass_time(SECOND)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]
    with Recording(path) as recording:
        recording.poll()
        assert not recording.alive


def test_what_has_begun_is_written_when_the_recording_ends(tmp_path: Path) -> None:
    """Up to that time."""
    service = Service(tmp_path / "a.actx", after="1h")
    path = service.flight.dump("why")
    service.pass_time(SECOND)
    service.flight.close()

    assert path is not None
    note = Timeline(read(path)).dump
    assert note is not None
    assert note.at - note.triggered == SECOND


def test_the_seconds_before_are_there_even_if_the_ring_turns_over_meanwhile(
    tmp_path: Path,
) -> None:
    """The ring grows by half of its limit at most, and not again for the next dump."""
    path = tmp_path / "a.actx"
    service = Service(path, size=2 * MIN_SIZE, before="3s", after="3s", dump_every="1s")
    sizes = []
    for _ in range(4):
        for _ in range(75):
            for number in range(25):
                service.request(f"before {number}")
            service.pass_time(SECOND // 25)
        dump = service.flight.dump("why")
        for _ in range(150):
            for number in range(25):
                service.request(f"after {number}")
            service.pass_time(SECOND // 25)
        assert dump is not None
        timeline = Timeline(read(dump))
        assert timeline.dump is not None
        assert min(timeline.enter_started) < timeline.dump.since + SECOND // 10
        sizes.append(path.stat().st_size)

    assert max(sizes) <= 3 * MIN_SIZE + 4 * (128 << 10)
    assert sizes[-1] == sizes[1]


def test_a_wait_triggers_once_however_long_it_lasts(tmp_path: Path) -> None:
    """And a second one triggers again."""
    service = Service(tmp_path / "a.actx", "wait>1s")
    service.enter(service.task("holder"), LOCK)
    service.ask(service.task("one"), LOCK)
    service.pass_time(30 * SECOND)
    assert service.counts["wait>1s"] == 1
    service.ask(service.task("other"), LOCK)
    service.pass_time(30 * SECOND)

    assert service.counts["wait>1s"] == 2


def test_a_healthy_service_triggers_nothing(tmp_path: Path) -> None:
    """Not even just below the limits."""
    triggers = [trigger for trigger in ANOMALIES if trigger != "call"]
    service = Service(tmp_path / "a.actx", *triggers)
    task = service.task("worker")
    for _ in range(10):
        held = [service.enter(task, POOL), service.enter(task, POOL), service.enter(task, LOCK)]
        service.pass_time(19 * SECOND // 10, requests="request")
        for acquisition in reversed(held):
            service.leave(acquisition, task)
        service.pass_time(SECOND // 4)
    service.flight.close()

    assert service.counts == {}
    assert not (tmp_path / "a.dumps").exists()


def test_ten_thousand_triggers_in_a_minute_write_no_more_than_the_limit(tmp_path: Path) -> None:
    """One dump; the others are counted, in the recording as well."""
    service = Service(tmp_path / "a.actx", "error(OSError)", "enter-error", before="1s", after="1s")
    task = service.task("worker")
    for _ in range(1_000):
        for _ in range(5):
            service.leave(service.enter(task, LOCK), task, OSError("again"))
            service.get(service.ask(task, LOCK), OSError("again"))
        service.pass_time(3 * SECOND // 50)
    service.flight.close()

    written = list((tmp_path / "a.dumps").glob("*.actx"))
    assert service.counts["error(OSError)"] == service.counts["enter-error"] == 5_000
    assert len(written) == service.counts["written"] == 2
    assert service.counts["suppressed"] == 9_998
    marks = [mark.text for mark in Timeline(read(tmp_path / "a.actx")).marks]
    assert "9998 triggers led to no dump: too many" in marks


def test_the_oldest_dumps_are_removed_beyond_the_limit_and_nothing_else(tmp_path: Path) -> None:
    """Files of others in the same folder stay."""
    folder = tmp_path / "dumps"
    folder.mkdir()
    (folder / "other-recording.actx").write_bytes(b"x" * 10_000_000)
    service = Service(
        tmp_path / "a.actx",
        before="1s",
        after="0s",
        dumps=str(folder),
        dump_every="1s",
        dump_limit="2MB",
    )
    paths = []
    for _ in range(10):
        paths.append(service.flight.dump("again"))
        service.pass_time(2 * SECOND, requests="request")
        service.pass_time(SECOND)

    left = sorted(folder.glob("a-*.actx"))
    assert sum(path.stat().st_size for path in left) <= 2_000_000
    assert 5 < len(left) < 10
    assert left == sorted(path for path in paths[-len(left) :] if path)
    assert (folder / "other-recording.actx").exists()


def test_a_dump_that_cannot_be_written_is_counted_and_the_program_goes_on(tmp_path: Path) -> None:
    """The folder cannot be made: a file has its name."""
    (tmp_path / "a.dumps").write_text("in the way")
    service = Service(tmp_path / "a.actx", after="0s")
    service.flight.dump("why")
    service.pass_time(SECOND)

    assert service.counts["failed"] == 1
