"""The report as programs read it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asyncctx_trace.analysis.snapshot import Snapshot
from asyncctx_trace.analysis.summary.comparison import compare
from asyncctx_trace.analysis.summary.report import report
from asyncctx_trace_tui.reports.comparison_json import render_comparison_json
from asyncctx_trace_tui.reports.json_report import render_json

from .test_text import a_bad_day

PAGE = Path(__file__).parents[2] / "docs" / "report-json.md"


def told() -> dict[str, Any]:
    """The report on a bad day."""
    text = render_json(report(Snapshot(a_bad_day().timeline())), "run.actx")
    found: dict[str, Any] = json.loads(text)
    return found


def keys_of(value: Any) -> Iterator[str]:
    """Every key, at any depth."""
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
    snapshot = Snapshot(a_bad_day().timeline())
    diff = json.loads(render_comparison_json(compare(snapshot, snapshot), "a", "b"))

    assert set(keys_of(told())) - documented == set()
    assert set(keys_of(diff)) - documented == set()


def test_it_says_what_it_is() -> None:
    """Whoever reads it can refuse what it does not know."""
    found = told()

    assert (found["schema"], found["version"]) == ("asyncctx-trace/report", 1)
    assert found["recording"]["acquisitions"] == 8
    assert found["dropped"] == {"acquisitions": 0, "reasons": []}


def test_times_are_whole_ns_from_the_beginning() -> None:
    """Never floats, never seconds since a boot."""

    def times(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key.endswith("_ns") or key == "ns":
                    yield inner
                yield from times(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from times(inner)

    found = [time for time in times(told()) if time is not None]

    assert all(type(time) is int for time in found)
    assert max(found) < 1_000_000_000
    assert told()["findings"][0]["at_ns"] == 211_000_000


def test_blame_adds_up() -> None:
    """By site and by task."""
    (pool,) = (r for r in told()["resources"] if r["name"] == "db pool")
    blame = pool["blame"]

    assert blame["total_ns"] == pool["wait"]["total_ns"] > 0
    assert blame["blamed_ns"] + blame["unknown_ns"] == blame["total_ns"]
    assert sum(each["ns"] for each in blame["by_site"]) == blame["blamed_ns"]
    assert sum(each["ns"] for each in blame["by_task"]) == blame["blamed_ns"]


def test_a_finding_carries_its_evidence() -> None:
    """Enough to open an editor at the place and the recording at the moment."""
    leak = told()["findings"][0]

    assert (leak["kind"], leak["certainty"], leak["severity"]) == ("leak", "certain", "error")
    assert leak["sites"] == [{"file": "app.py", "line": 30, "function": "main", "text": "line 30"}]
    assert leak["acquisitions"] == [8]
    assert leak["tasks"] == [{"id": 2, "name": "t1"}]


def test_names_that_are_no_unicode_survive() -> None:
    """A lone surrogate is written as an escape."""
    story = a_bad_day()
    story.pass_through("\ud800", "odd", 250, 250, 251)

    assert json.loads(render_json(report(Snapshot(story.timeline())), "run.actx"))["resources"]
