"""Programs recorded at one size foretell what they do at another, on a clock without noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.support.waiting_programs import compiled, timeline_of
from asyncctx_trace.analysis.statistics import DurationStats
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.analysis.what_if.changes import parse_changes
from asyncctx_trace.analysis.what_if.forecast import Forecaster, Refused
from asyncctx_trace.analysis.what_if.ranking import rank_changes

QUEUE = """
import random

async def consume(jobs, devices):
    while True:
        length = await jobs.get()
        await asyncio.sleep(0.002)
        async with devices:
            await asyncio.sleep(length)
        jobs.task_done()

async def main():
    jobs = asyncio.Queue({room})
    devices = asyncio.Semaphore({size})
    consumers = [asyncio.create_task(consume(jobs, devices)) for _ in range(6)]
    rng = random.Random(1)
    for _ in range(60):
        await asyncio.sleep(rng.expovariate(1 / 0.004))
        await jobs.put(rng.uniform(0.004, 0.02))
    await jobs.join()
    for consumer in consumers:
        consumer.cancel()
    await asyncio.gather(*consumers, return_exceptions=True)
"""
REQUESTS = """
import random

async def request(number, devices, lock):
    rng = random.Random(number)
    async with devices:
        await asyncio.sleep(rng.uniform(0.004, 0.016))
    async with lock:
        await asyncio.sleep(rng.uniform(0.001, 0.003))

async def main():
    devices, lock = asyncio.Semaphore({size}), asyncio.Lock()
    rng = random.Random(0)
    async with asyncio.TaskGroup() as tasks:
        for number in range(80):
            tasks.create_task(request(number, devices, lock))
            await asyncio.sleep(rng.expovariate(1 / 0.004))
"""
CLIENTS = """
import random

async def call(rng, devices):
    async with devices:
        await asyncio.sleep(rng.uniform(0.002, 0.01))

async def client(number, devices):
    rng = random.Random(number)
    for _ in range(5):
        await asyncio.sleep(rng.uniform(0.001, 0.01))
        await asyncio.gather(call(rng, devices), call(rng, devices))

async def main():
    devices = asyncio.Semaphore({size})
    await asyncio.gather(*(client(number, devices) for number in range(8)))
"""
PROGRAMS = {"a bounded queue": QUEUE, "requests that arrive": REQUESTS, "clients": CLIENTS}


def recorded(source: str, path: Path, size: int, room: int = 8) -> Timeline:
    """Record a program with ``size`` devices."""
    functions: dict[str, Any] = compiled(source.format(size=size, room=room))
    return timeline_of(path, functions["main"])


def waits_of(timeline: Timeline, name: str) -> DurationStats:
    """How long the enters of a resource took."""
    return DurationStats.of(
        timeline.enter_ended[row] - timeline.enter_started[row]
        for row, resource in enumerate(timeline.resource)
        if timeline.resources[resource].name == name and timeline.entered(row)
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_waits_at_another_size_are_foretold(program: str, tmp_path: Path) -> None:
    """Average and 95th percentile to 5 % (and 0.2 ms), for more and for fewer."""
    path = tmp_path / "x.actx"
    forecaster = Forecaster(recorded(PROGRAMS[program], path, 3))

    for size in (2, 4):
        changes = parse_changes(forecaster.timeline, [f"devices={size}"])
        forecast = forecaster.foretell(changes, band=False)
        real = recorded(PROGRAMS[program], path, size)
        for each in forecast.resources:
            truth = waits_of(real, each.name)
            for figure in ("mean", "p95"):
                foretold, true = getattr(each.foretold, figure), getattr(truth, figure)
                assert foretold == pytest.approx(true, rel=0.05, abs=200_000), (each.name, figure)


def test_a_queue_can_be_given_more_room(tmp_path: Path) -> None:
    """The capacity of a queue is not recorded: it follows from the puts that had to wait."""
    path = tmp_path / "x.actx"
    forecaster = Forecaster(recorded(QUEUE, path, 2, room=8))
    forecast = forecaster.foretell(parse_changes(forecaster.timeline, ["jobs=2"]), band=False)
    real = recorded(QUEUE, path, 2, room=2)

    assert list(forecaster.model.queue_sizes.values()) == [8]
    assert forecast.resources[0].foretold.mean == pytest.approx(
        waits_of(real, "devices").mean, 0.05
    )


def test_hold_times_and_arrivals_can_be_changed(tmp_path: Path) -> None:
    """Half the time at the devices is like a program that sleeps half as long there."""
    path = tmp_path / "x.actx"
    forecaster = Forecaster(recorded(REQUESTS, path, 3))
    faster = REQUESTS.replace("rng.uniform(0.004, 0.016)", "rng.uniform(0.004, 0.016) / 2")
    often = REQUESTS.replace("expovariate(1 / 0.004)", "expovariate(1 / 0.004) / 1.2")

    for change, source in (("<waiting program>:6*0.5", faster), ("arrivals*1.2", often)):
        forecast = forecaster.foretell(parse_changes(forecaster.timeline, [change]), band=False)
        real = recorded(source, path, 3)
        for each in forecast.resources:
            truth = waits_of(real, each.name).mean
            assert each.foretold.mean == pytest.approx(truth, rel=0.1, abs=200_000)


def test_the_change_that_helps_most_is_ranked_first(tmp_path: Path) -> None:
    """More devices than are ever in use at once are not proposed."""
    ranked = rank_changes(Forecaster(recorded(CLIENTS, tmp_path / "x.actx", 3)))

    sizes = [each for each in ranked if each.label.startswith("`devices` 3 → ")]
    assert [each.saved for each in ranked] == sorted((each.saved for each in ranked), reverse=True)
    assert 4 <= int(sizes[0].label.split()[-1]) <= 16
    assert sizes[0].more_does_not_help


def test_arrivals_of_clients_that_wait_cannot_be_multiplied(tmp_path: Path) -> None:
    """They ask again once they are served: a closed loop."""
    forecaster = Forecaster(recorded(CLIENTS, tmp_path / "x.actx", 3))

    assert not forecaster.is_open
    with pytest.raises(Refused, match="closed loop"):
        forecaster.foretell(parse_changes(forecaster.timeline, ["arrivals*2"]))


BURST = """
async def consume(jobs, devices):
    while True:
        for _ in range(3):
            await jobs.get()
        async with devices:
            await asyncio.sleep(0.01)

async def main():
    jobs, devices = asyncio.Queue(), asyncio.Semaphore(1)
    consumers = [asyncio.create_task(consume(jobs, devices)) for _ in range(3)]
    for number in range(20):
        await asyncio.sleep(0.004)
        for _ in range(number % 3 + 1):
            jobs.put_nowait(number)
    for consumer in consumers:
        consumer.cancel()
"""
IMPATIENT = """
async def client(lock):
    try:
        async with asyncio.timeout(0.015):
            async with lock:
                await asyncio.sleep(0.01)
    except TimeoutError:
        pass

async def main():
    lock = asyncio.Lock()
    await asyncio.gather(*(client(lock) for _ in range(6)))
"""
IDLE = """
async def main():
    async with asyncio.Lock():
        await asyncio.sleep(0.01)
"""


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (BURST, "could not be reconstructed"),
        (IMPATIENT, "gave up or were cancelled"),
        (IDLE, "no task waited"),
    ],
)
def test_what_the_recording_does_not_show_is_refused(
    source: str, reason: str, tmp_path: Path
) -> None:
    """With the reason, instead of figures that could be wrong."""
    functions = compiled(source)
    timeline = timeline_of(tmp_path / "x.actx", functions["main"])

    with pytest.raises(Refused, match=reason):
        Forecaster(timeline)
