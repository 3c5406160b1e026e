"""A sample has all that took long or failed, and one in N of the rest, with its weight."""

from __future__ import annotations

import os
import tempfile
from math import sqrt
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncctx_trace.analysis.estimates import estimates, percentile, sum_of
from asyncctx_trace.analysis.findings import find
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.timeline.completeness import completeness
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.dumps.options import DumpOptions
from asyncctx_trace.errors import AsyncctxTraceError
from asyncctx_trace.recording.reading.reader import Recording, read
from asyncctx_trace.recording.writing.sampled_excerpt import SampledExcerpt, Sampling

from .service import LOCK, OTHER, SECOND, Service

MS = SECOND // 1000
LONGER = 10 * MS

Acquisitions = list[tuple[int, int, bool]]
"""For each: how long it waits and holds, in ms, and whether its body fails."""

acquisitions = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 8), st.booleans()), min_size=1, max_size=12
)


def recorded(path: Path, made: Acquisitions) -> Service:
    service = Service(path)
    for wait, hold, fails in made:
        task = service.task("worker")
        acquisition = service.ask(task, LOCK)
        service.now += wait * MS
        service.get(acquisition)
        service.now += hold * MS
        service.leave(acquisition, task, ValueError("bad") if fails else None)
    return service


def sample(service: Service, target: Path, sampling: Sampling) -> Timeline:
    fd = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        excerpt = SampledExcerpt(
            service.recorder.path, fd, service.started - 1, service.now, sampling
        )
        note: dict[str, object] = {
            "at": service.now,
            "since": service.started,
            "triggered": service.started,
            "trigger": "sample",
            "reason": sampling.rule,
            "pid": os.getpid(),
            "suppressed": 0,
        }
        for _ in excerpt.steps(os.getpid(), note):
            pass
    finally:
        os.close(fd)
    return Timeline(read(target))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=acquisitions, one_in=st.integers(1, 5))
def test_weighted_sums_are_unbiased_and_what_was_long_or_failed_is_always_there(
    made: Acquisitions, one_in: int
) -> None:
    """Each acquisition is in exactly one of N samples with different seeds, or in all of them.

    So the mean of the estimates over all seeds is the true value, exactly.
    """
    always = [(w, h, f) for w, h, f in made if f or (w + h) * MS > LONGER]
    counts, waits, holds = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        service = recorded(Path(folder) / "a.actx", made)
        for seed in range(one_in):
            timeline = sample(service, Path(folder) / "b.actx", Sampling(one_in, LONGER, seed))
            kept = [
                (
                    (a.enter_ended - a.enter_started) // MS,
                    (a.exit_started - a.enter_ended) // MS,
                    a.body_error is not None,
                )
                for a in timeline
                if a.enter_ended is not None and a.exit_started is not None
            ]
            assert len(kept) == len(timeline)
            assert [each for each in kept if each in always] == always
            for found in estimates(Snapshot(timeline)):  # one, unless the sample is empty
                counts.append(found.acquisitions.value)
                waits.append(found.wait.value)
                holds.append(found.hold.value)
            left_out = sum(each.acquisitions for each in timeline.dropped)
            assert left_out + len(timeline) == len(made)

    assert sum(counts) == one_in * len(made)
    assert sum(waits) == one_in * sum(w for w, _, _ in made) * MS
    assert sum(holds) == one_in * sum(h for _, h, _ in made) * MS


@given(values=st.lists(st.integers(0, 1000), min_size=1, max_size=8), weight=st.integers(2, 20))
def test_the_variance_is_unbiased_too(values: list[int], weight: int) -> None:
    """Over all possible samples, its mean is the variance of the estimated sum."""
    total, mean_variance, variance = sum(values), 0.0, 0.0
    for chosen in range(1 << len(values)):
        sampled = [value for number, value in enumerate(values) if chosen >> number & 1]
        probability = (1 / weight) ** len(sampled) * (1 - 1 / weight) ** (
            len(values) - len(sampled)
        )
        estimate = sum_of(sampled, [weight] * len(sampled))
        exact = sum(weight * (weight - 1) * value * value for value in sampled)
        assert estimate.error == round(sqrt(exact))
        mean_variance += probability * exact
        variance += probability * (estimate.value - total) ** 2

    assert mean_variance == pytest.approx(variance, rel=1e-6, abs=1e-6)


def test_a_percentile_counts_each_value_as_often_as_its_weight_says() -> None:
    """The same as of the values repeated so often."""
    values, weights = [5, 1, 9, 7], [10, 80, 1, 9]
    repeated = sorted(value for value, n in zip(values, weights, strict=True) for _ in range(n))

    for percent in (1, 50, 80, 81, 90, 91, 99, 100):
        assert percentile(values, weights, percent) == repeated[-(-percent * 100 // 100) - 1]


def test_a_busy_service_writes_a_sample_of_each_period(tmp_path: Path) -> None:
    """Each acquisition belongs to one of them; together they estimate what happened."""
    service = Service(tmp_path / "a.actx", sample="1/10", sample_every="10s")
    slow = service.task("slow")
    for _ in range(4):
        for _ in range(250):
            for number in range(4):
                service.request(f"request {number}")
            service.pass_time(SECOND // 25)
        held = service.enter(slow, LOCK)
        service.pass_time(SECOND // 5)
        service.leave(held, slow)
    service.flight.close()

    timelines = [Timeline(read(path)) for path in (tmp_path / "a.samples").glob("*.actx")]
    total, variance, slow_ones = 0, 0, 0
    for timeline in timelines:
        assert timeline.is_sampled
        for each in estimates(Snapshot(timeline)):
            if each.resource == OTHER:
                total += each.acquisitions.value
                variance += each.acquisitions.error**2
            else:
                slow_ones += each.acquisitions.value
                assert each.acquisitions.error == 0
        assert set(timeline.tasks) == set(timeline.task)
        dropped = sum(each.acquisitions for each in timeline.dropped)
        assert dropped + len(timeline) == pytest.approx(1000, abs=1000)
    assert len(timelines) >= 4
    assert slow_ones == 4
    assert abs(total - 4000) < 6 * sqrt(variance)
    assert not (tmp_path / "a.dumps").exists()


def test_what_a_sample_lacks_is_a_gap_so_nothing_is_certain_because_it_is_absent(
    tmp_path: Path,
) -> None:
    """And the reason says how many were kept."""
    service = recorded(tmp_path / "a.actx", [(1, 1, False)] * 100)

    timeline = sample(service, tmp_path / "b.actx", Sampling(100, LONGER))

    (gap,) = completeness(timeline)
    assert gap.acquisitions == 100 - len(timeline)
    assert gap.reason == (
        "sampled: one in 100 of those that took at most 10.0 ms and ended well is kept"
    )
    assert [finding for finding in find(timeline) if finding.certainty == "certain"] == []


def test_an_outer_acquisition_that_was_left_out_is_not_referred_to(tmp_path: Path) -> None:
    """The inner one failed and is kept; the outer one was short."""
    service = Service(tmp_path / "a.actx")
    task = service.task("worker")
    outer = service.enter(task, LOCK)
    service.recorder.enter_started(service.now, outer + 1, outer, task, 1, OTHER, 1)
    service.acquisitions[outer + 1] = OTHER
    service.get(outer + 1)
    service.leave(outer + 1, task, ValueError("bad"))
    service.leave(outer, task)
    seed = next(seed for seed in range(50) if not Sampling(50, LONGER, seed).chooses(outer))

    timeline = sample(service, tmp_path / "b.actx", Sampling(50, LONGER, seed))

    (kept,) = timeline
    assert (kept.resource, kept.parent) == (OTHER, None)
    with Recording(tmp_path / "b.actx") as recording:
        recording.poll()
        assert recording.is_dump


@pytest.mark.parametrize("share", ["0", "1/0", "2/3", "1/65536", "often"])
def test_a_wrong_share_is_refused(share: str) -> None:
    """It says which are right."""
    with pytest.raises(AsyncctxTraceError, match="use a share from 1/1 to 1/65535"):
        DumpOptions.parse({"sample": share})
