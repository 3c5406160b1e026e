"""Whole programs, run as users run them: what their exits did is found at its lines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asyncctx_trace.analysis.findings import Finding, find
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import read

SCRIPTS = Path(__file__).with_name("scripts")
KINDS = {
    "cleanup-cancelled",
    "cleanup-error",
    "expired-quietly",
    "foreign-exit",
    "out-of-order-exit",
    "skipped-cleanup",
}


def findings_of(script: str, folder: Path, pure: bool) -> tuple[Timeline, list[Finding]]:
    """What there is to tell of a run of ``script``."""
    pytest.importorskip("anyio")
    path = folder / "run.actx"
    command = [sys.executable, "-m", "asyncctx_trace_tui", "run", "--headless", "--quiet", "-o"]
    environment = os.environ | ({"ASYNCCTX_TRACE_PURE": "1"} if pure else {})
    done = subprocess.run(
        [*command, str(path), str(SCRIPTS / script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    timeline = Timeline(read(path))
    return timeline, find(timeline)


def marked(script: str) -> set[tuple[str, int]]:
    """Kind and line of each comment that names kinds."""
    lines = (SCRIPTS / script).read_text().splitlines()
    return {
        (kind, number)
        for number, line in enumerate(lines, 1)
        for kind in line.partition("  # ")[2].split()
        if kind in KINDS
    }


@pytest.mark.parametrize("pure", [False, True], ids=["compiled", "pure"])
def test_each_planted_bug_is_found_at_its_lines_and_nothing_else_is(
    tmp_path: Path, pure: bool
) -> None:
    """For certain, with the line of the `yield` or of the stack's end among the sites."""
    timeline, found = findings_of("planted_exits.py", tmp_path, pure)
    reported = {
        (finding.kind, timeline.sites[site].line)
        for finding in found
        if finding.kind in KINDS and finding.certainty == "certain"
        for site in finding.sites
    }

    assert reported == marked("planted_exits.py")


@pytest.mark.parametrize("pure", [False, True], ids=["compiled", "pure"])
def test_clean_look_alikes_are_left_alone(tmp_path: Path, pure: bool) -> None:
    """But for the deadline that passed and was told of."""
    _, found = findings_of("clean_exits.py", tmp_path, pure)

    assert [finding.summary for finding in found if finding.kind != "timeout"] == []
