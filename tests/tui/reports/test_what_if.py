"""``report --what-if``: what would happen with something changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace_tui.cli import main
from recording.builders import recorder

OK = int(Outcome.OK)
MS = 1_000_000


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Six tasks share a pool of two for 100 ms each; they ask one after the other."""
    path = tmp_path / "run.actx"
    writer = recorder(path)
    writer.manager_defined(1, "app.Pool")
    writer.resource_defined(1, "pool", "db pool", 2)
    writer.site_defined(1, "app.py", 12, "work", "pool.acquire()")
    events = []
    for number in range(6):
        writer.task_defined(0, number + 1, f"worker-{number}", "asyncio", 0, "MainThread")
        asked = 1000 * MS + number
        entered = asked + number // 2 * 100 * MS
        left = entered + 99 * MS
        for at, which in ((asked, 0), (entered, 1), (left, 2), (left + MS, 3)):
            events.append((at, which, number + 1))
    for at, which, id in sorted(events):
        if which == 0:
            writer.enter_started(at, id, 0, id, 1, 1, 1)
        elif which == 1:
            writer.enter_ended(at, id, OK, None)
        elif which == 2:
            writer.exit_started(at, id, id, OK, None)
        else:
            writer.exit_ended(at, id, OK, False, None)
    writer.close()
    return path


def call(*words: str | Path) -> int:
    """Run ``asyncctx-trace report WORDS`` and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(["report", *(str(word) for word in words)])
    return int(ended.value.code or 0)


def test_a_change_gives_measured_and_foretold_waits(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the next bottleneck, the length of the program and what was assumed."""
    code = call(recording, "--what-if", "db pool=3")
    text = capsys.readouterr().out

    assert code == 0
    assert "What if: db pool=3" in text
    assert "2 → 3" in text
    assert "Next bottleneck: `db pool`" in text
    assert "Whole program: 300 ms → 200 ms" in text


def test_without_a_value_the_obvious_changes_are_ranked(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = call(recording, "--what-if")
    [first, *_] = capsys.readouterr().out.splitlines()

    assert code == 0
    assert first == (
        "The one change that helps most: `db pool` 2 → 6: p99 wait 200 ms → 2 ns; "
        "more hardly helps."
    )


def test_json_has_every_figure_with_its_band(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(recording, "--what-if", "db pool=3", "--what-if", "app.py:12*0.5", "--format", "json")
    found = json.loads(capsys.readouterr().out)
    [pool] = found["forecast"]["resources"]

    assert found["schema"] == "asyncctx-trace/what-if"
    assert (found["refused"], found["ranking"]) == (None, None)
    assert found["forecast"]["changes"] == ["db pool=3", "app.py:12*0.5"]
    assert (pool["capacity"], pool["new_capacity"], pool["discipline"]) == (2, 3, "fifo")
    assert pool["low"]["p95_ns"] <= pool["foretold"]["p95_ns"] <= pool["high"]["p95_ns"]
    assert pool["foretold"]["p95_ns"] == pytest.approx(50 * MS, rel=0.05)
    assert pool["measured"]["p95_ns"] == 200 * MS


def test_a_recording_that_cannot_be_replayed_is_refused_with_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In JSON as well."""
    path = tmp_path / "idle.actx"
    recorder(path).close()

    assert call(path, "--what-if") == 1
    assert capsys.readouterr().out.startswith("Cannot foretell: no task waited for a resource")
    assert call(path, "--what-if", "--format", "json") == 1
    assert json.loads(capsys.readouterr().out)["refused"]["reason"].startswith("no task waited")


def test_a_change_that_makes_no_sense_is_a_usage_error(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that names what there is."""
    code = call(recording, "--what-if", "db poll=3")

    assert code == 2
    assert "no resource with a capacity 'db poll': did you mean 'db pool'?" in (
        capsys.readouterr().err
    )
