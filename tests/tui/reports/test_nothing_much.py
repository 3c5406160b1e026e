"""Reports on recordings with hardly any events."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.support.simulation import Scene, Simulation
from asyncctx_trace.analysis.contention.critical_path import critical_path
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.report import report
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import read
from asyncctx_trace_tui.reports.json_report import render_json
from asyncctx_trace_tui.reports.markdown_report import render_markdown
from asyncctx_trace_tui.reports.text_report import render_report
from recording.builders import LOCK, define_names, recorder

SCENE = Scene((1, 1), (((2, ((1, (3,)),)),), (5, (2, (1,))), ((1, (4,)),)))


def test_a_program_killed_after_its_first_event_has_a_report(tmp_path: Path) -> None:
    """The critical path takes no time, and shares of no time are 0."""
    writer = recorder(tmp_path / "a.actx")
    define_names(writer)
    writer.enter_started(5, 1, 0, 1, 1, LOCK, 1)  # at the moment that its task was first seen
    result = report(Snapshot(Timeline(read(tmp_path / "a.actx")), 5))

    assert "Critical path" in render_report(result, color=False, full=True)
    assert render_markdown(result)
    assert render_json(result, "a.actx")


@pytest.mark.parametrize("fine", [False, True])
def test_the_critical_path_up_to_a_time_ignores_later_events(fine: bool) -> None:
    """Tasks that start later are not on it."""
    timeline = Simulation(SCENE, fine=fine).timeline()
    end = timeline.end or 0

    for now in range(end + 1):
        steps = critical_path(Snapshot(timeline, now)).steps
        assert all(step.end <= now for step in steps)
