"""A possible finding is made to happen, by delays alone; what cannot happen is not."""

from __future__ import annotations

import time
from pathlib import Path
from textwrap import dedent

import pytest

from asyncctx_trace.analysis.findings import find
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.experiments.confirmation import Confirmation, Settings, confirm
from asyncctx_trace.experiments.plans import Plan, plan_for
from asyncctx_trace.experiments.suspected_waits import suspected_waits
from asyncctx_trace.experiments.trial import Program, run_trial, timeline_of
from asyncctx_trace.native import extension

from . import planted

LIMIT = 60.0
"""Seconds until a program that does not even hang as it should counts as failed."""


def suspicions(folder: Path, source: str) -> tuple[Program, list[Plan]]:
    """Record a program that goes well, and return what could happen to it."""
    (folder / "app.py").write_text(dedent(source))
    program = Program(("app.py",), folder)
    assert run_trial(program, folder / "app.actx", limit=LIMIT).exit_code == 0
    timeline = timeline_of(folder / "app.actx")
    snapshot = Snapshot(timeline)
    plans = [plan_for(snapshot, finding, folder) for finding in find(timeline)]
    return program, [plan for plan in plans if plan] + suspected_waits(snapshot, folder)


def is_running(pid: int) -> bool:
    """Whether a process exists and is not a zombie that its new parent has yet to collect."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def attempt(folder: Path, source: str, runs: int) -> Confirmation:
    program, (plan,) = suspicions(folder, source)
    return confirm(program, plan, folder / "proof.actx", Settings(runs, 1, LIMIT))


@pytest.mark.parametrize(
    "name",
    [
        "PLAIN",
        "POOL",
        pytest.param(
            "QUEUE",
            marks=pytest.mark.skipif(
                extension("asyncctx_trace.instrument") is None,
                reason="that nobody takes an item is proven by the watchdog, which is native",
            ),
        ),
    ],
)
def test_what_needs_bad_luck_is_made_to_happen(tmp_path: Path, name: str) -> None:
    done = attempt(tmp_path, getattr(planted, name), runs=10)

    assert done.proof is not None
    assert (done.proof.kind, done.proof.certainty) == ("deadlock", "certain")
    assert (done.happened, done.hangs) == (1, True)
    # The recording that is kept proves it to anybody.
    kept = find(timeline_of(tmp_path / "proof.actx"))
    assert ("deadlock", "certain") in [(finding.kind, finding.certainty) for finding in kept]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", ["ONE_AFTER_THE_OTHER", "WITHOUT_A_SUSPENSION"])
def test_what_cannot_happen_is_not_confirmed(tmp_path: Path, name: str) -> None:
    done = attempt(tmp_path, getattr(planted, name), runs=2)

    assert done.proof is None
    assert done.runs == 2
    assert not (tmp_path / "proof.actx").exists()


def test_a_program_that_hangs_leaves_no_process(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        dedent(
            """
            import asyncio, signal, subprocess, sys
            from pathlib import Path
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            Path("pid").write_text(str(child.pid))
            async def main():
                lock = asyncio.Lock()
                async with lock:
                    async with lock:
                        pass
            asyncio.run(main())
            """
        )
    )

    trial = run_trial(Program(("app.py",), tmp_path), tmp_path / "app.actx", limit=LIMIT)

    assert (trial.exit_code, trial.deadlocked) == (None, True)
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + LIMIT
    while is_running(child):  # a signal takes effect a moment later
        assert time.monotonic() < deadline
        time.sleep(0.01)
