"""The JSON report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.support.builders import Story
from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.comparison import compare
from asyncctx_trace.analysis.summary.report import report
from asyncctx_trace_tui.reports.comparison_json import render_comparison_json
from asyncctx_trace_tui.reports.json_report import render_json

from .test_text import recording_with_problems
from .test_waits import recording_with_waits

PAGE = Path(__file__).parents[3] / "docs" / "report-json.md"


def parsed(story: Story | None = None) -> dict[str, Any]:
    """Return the report on ``story``; by default, one with a queue, a leak and a failed exit."""
    story = story or recording_with_problems()
    text = render_json(report(Snapshot(story.timeline())), "run.actx")
    result: dict[str, Any] = json.loads(text)
    return result


def keys_of(value: Any) -> Iterator[str]:
    """Return all keys, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


def test_every_field_is_documented() -> None:
    """By its name, on the page that --help names."""
    documented = set(re.findall(r"`([a-z0-9_]+)`", PAGE.read_text())) | set(
        re.findall(r'"([a-z]+)"', PAGE.read_text())
    )
    snapshot = Snapshot(recording_with_problems().timeline())
    diff = json.loads(render_comparison_json(compare(snapshot, snapshot), "a", "b"))

    assert set(keys_of(parsed())) - documented == set()
    assert set(keys_of(parsed(recording_with_waits()))) - documented == set()
    assert set(keys_of(diff)) - documented == set()


def test_it_names_its_format_and_version() -> None:
    """So that readers can refuse what they do not know."""
    result = parsed()

    assert (result["schema"], result["version"]) == ("asyncctx-trace/report", 2)
    assert result["recording"]["acquisitions"] == 8
    assert result["dropped"] == {"acquisitions": 0, "reasons": []}


def test_times_are_whole_ns_since_the_start() -> None:
    """Not floats, and not seconds since boot."""

    def times(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key.endswith("_ns") or key == "ns":
                    yield inner
                yield from times(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from times(inner)

    result = [time for time in times(parsed()) if time is not None]

    assert all(type(time) is int for time in result)
    assert max(result) < 1_000_000_000
    assert parsed()["findings"][0]["at_ns"] == 211_000_000


def test_the_overview_is_what_the_app_shows_first() -> None:
    """With what to do next, where, and when."""
    first = parsed()["overview"]["culprits"][0]

    assert first["sentence"]
    assert first["cost_ns"] > 0
    assert {"file", "line", "function", "text"} == set(first["site"])
    assert 0 <= first["at_ns"] < parsed()["recording"]["length_ns"]
    assert parsed()["overview"]["health"]["acquisitions"] == 8


def test_blame_adds_up() -> None:
    """By site and by task."""
    (pool,) = (r for r in parsed()["resources"] if r["name"] == "db pool")
    blame = pool["blame"]

    assert blame["total_ns"] == pool["wait"]["total_ns"] > 0
    assert blame["blamed_ns"] + blame["unknown_ns"] == blame["total_ns"]
    assert sum(each["ns"] for each in blame["by_site"]) == blame["blamed_ns"]
    assert sum(each["ns"] for each in blame["by_task"]) == blame["blamed_ns"]


def test_a_finding_contains_its_evidence() -> None:
    """Enough to open an editor at the site and the recording at the time."""
    leak = parsed()["findings"][0]

    assert (leak["kind"], leak["certainty"], leak["severity"]) == ("leak", "certain", "error")
    assert leak["sites"] == [{"file": "app.py", "line": 30, "function": "main", "text": "line 30"}]
    assert leak["acquisitions"] == [8]
    assert leak["tasks"] == [{"id": 2, "name": "t1"}]


def test_names_that_are_not_valid_unicode_are_escaped() -> None:
    """A lone surrogate is written as an escape."""
    story = recording_with_problems()
    story.pass_through("\ud800", "odd", 250, 250, 251)

    assert json.loads(render_json(report(Snapshot(story.timeline())), "run.actx"))["resources"]
