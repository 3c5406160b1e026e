"""The page in a browser: what it shows, and where clicks and keys lead."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.builders import RecordingBuilder, queue_and_stall
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.model.events import EnterEnded, EnterStarted, ProcessDefined, TaskDefined
from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace.recording.reading.reader import read
from asyncctx_trace_tui.html_page import contents as page_contents
from asyncctx_trace_tui.html_page.page import write

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a browser that makes no connection by itself."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield started
        started.close()


def open_page(browser: Any, path: Path, timeline: Timeline, **options: Any) -> Any:
    """Return the page about ``timeline`` once it is ready; an error in its script fails."""
    written = path.with_suffix(".html")
    written.write_text("".join(write(timeline, **options)), "utf-8")
    page = browser.new_page(viewport={"width": 1000, "height": 700})
    page.set_default_timeout(20_000)
    page.on("pageerror", partial(_failed, page))
    page.goto(written.as_uri())
    page.wait_for_selector("body[data-ready]")
    return page


def _failed(page: Any, error: object) -> None:
    raise AssertionError(f"error in the script of {page.url}: {error}")


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Return a function that opens the page about a timeline."""
    pages = []

    def opened(timeline: Timeline, **options: Any) -> Any:
        pages.append(open_page(browser, tmp_path / "x.actx", timeline, **options))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()


def deadlock(path: Path) -> Timeline:
    """Return two tasks at a lock, and two others that wait for each other."""
    builder = (
        RecordingBuilder(path).resource(1, "accounts").resource(2, "ledger").resource(3, "safe")
    )
    builder.task(1, "anna").task(2, "bert").task(3, "carla").task(4, "dora")
    builder.acquisition(1, 1, 0, 1, 400, 401).acquisition(2, 1, 10, 401, 420, 421)
    builder.acquisition(3, 2, 500, 500).acquisition(4, 3, 501, 501)
    builder.acquisition(3, 3, 510).acquisition(4, 2, 511)
    builder.printed(450, "half way")
    return builder.timeline(at=90_000)


@needs_browser
def test_the_first_thing_is_the_verdict(opened: Callable[..., Any], tmp_path: Path) -> None:
    """Then how much was looked at."""
    page = opened(deadlock(tmp_path / "x.actx"))
    overview = page.inner_text("#overview")

    assert "Deadlock: " in overview.splitlines()[0]
    assert "4 tasks · 6 acquisitions" in overview


@needs_browser
def test_a_finding_leads_to_its_acquisition(opened: Callable[..., Any], tmp_path: Path) -> None:
    """It is marked, and wide enough to be seen."""
    page = opened(deadlock(tmp_path / "x.actx"))
    page.click("#pane .line >> nth=0")
    seen = page.evaluate(
        "() => ({ task: data.names[data.rows.task[chosen]],"
        " width: (edges(chosen)[1] - edges(chosen)[0]) / perPixel,"
        " x: xOf(edges(chosen)[0]), names, room: width })"
    )

    assert seen["task"] in {"carla", "dora"}
    assert seen["width"] >= 8
    assert seen["names"] < seen["x"] < seen["room"]


@needs_browser
def test_a_row_of_a_table_leads_to_where_most_tasks_waited(
    opened: Callable[..., Any], tmp_path: Path
) -> None:
    """Of that resource."""
    page = opened(deadlock(tmp_path / "x.actx"))
    page.click("#tabs button:has-text('Resources')")
    page.click("#pane td:has-text('accounts')")

    assert page.evaluate("data.names[data.rows.task[chosen]]") == "bert"


@needs_browser
def test_tables_are_sorted_by_a_click(opened: Callable[..., Any], tmp_path: Path) -> None:
    """Numbers first in descending order, a second click reverses it."""
    page = opened(deadlock(tmp_path / "x.actx"))
    page.click("#tabs button:has-text('Resources')")
    names = []
    for _ in range(2):
        page.click("#pane th button:has-text('hold p50')")
        names.append(page.inner_text("#pane tbody td >> nth=0"))

    assert len(names) == 2
    assert names[0] != names[1]


@needs_browser
def test_a_search_shows_lanes_or_says_that_there_is_no_match(
    opened: Callable[..., Any], tmp_path: Path
) -> None:
    """Tasks are found by their own name and by what they acquire."""
    page = opened(deadlock(tmp_path / "x.actx"))
    found = []
    for words in ("carl", "ACCOUNTS", "emil", ""):
        page.fill("#search", words)
        found.append((page.inner_text("#matches"), page.evaluate("lines.length")))

    assert found == [("1 of 4 lanes", 2), ("2 of 4 lanes", 2), ("no match", 0), ("", 6)]


@needs_browser
def test_times_are_written_as_people_write_them(opened: Callable[..., Any], tmp_path: Path) -> None:
    """A minute and a half is 1:30; a button shows the time of day."""
    page = opened(deadlock(tmp_path / "x.actx"), anchor=Anchor(0, 0))
    since_start = page.evaluate("[moment(9e10, 1e9), moment(9e10 + 5e8, 1e8), moment(3.7e12, 1e9)]")
    page.click("#clock")

    assert since_start == ["1:30", "1:30.5", "1:01:40"]
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.5", page.evaluate("moment(5e8 - page.clock % 1e3 * 1e6, 1e8)")
    )


@needs_browser
def test_details_appear_under_the_mouse(opened: Callable[..., Any], tmp_path: Path) -> None:
    """Who waited how long for what, and who let it in; a stall says its line."""
    page = opened(deadlock(tmp_path / "x.actx"))
    page.evaluate("fit(0, 450e6)")
    box = page.locator("#lanes").bounding_box()
    line = page.evaluate("lines[1].y + rowHeight / 2 - down")
    page.mouse.move(box["x"] + page.evaluate("xOf(200e6)"), box["y"] + line)
    tip = page.inner_text("#tip")
    other = opened(Timeline(read(queue_and_stall(tmp_path / "y.actx").end(310))))
    stalled = other.evaluate("describePlace({ lane: 2, depth: 0, row: null, at: 150e6 })")

    assert tip.splitlines()[0] == "bert · accounts (lock)"
    assert "waited 391 ms · ok" in tip
    assert "let in by anna" in tip
    assert "blocks the event loop for 130 ms: app.py:12 db_lock" in stalled


@needs_browser
def test_light_and_dark_are_a_click_apart(opened: Callable[..., Any], tmp_path: Path) -> None:
    """Whatever the system's setting is."""
    page = opened(deadlock(tmp_path / "x.actx"))
    colours = []
    for _ in range(3):
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.click("#colours")

    assert colours[0] == colours[2]
    assert colours[0] != colours[1]


@needs_browser
def test_sums_are_drawn_where_acquisitions_are_left_out(
    opened: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time that a lane held something is the same as with all acquisitions, at any zoom."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "lock").task(1, "busy")
    for start in range(0, 900, 3):
        builder.acquisition(1, 1, start, start, start + 1 + start % 2, start + 2)
    timeline = builder.timeline(at=1_000)
    held = "() => [100, 450, 450.7, 1000].map(ms => elapsed(lanes[0].tracks[0], ms * 1e6, 1) / 1e6)"
    whole = opened(timeline).evaluate(held)
    monkeypatch.setattr(
        page_contents.Contents.__init__, "__kwdefaults__", {"most_rows": 20, "most_waits": 20}
    )
    page = opened(timeline)
    summed = page.evaluate(held)

    assert page.evaluate("data.rows.task.length") == 20
    assert summed == pytest.approx(whole, rel=0.02)
    assert "are sums over" in page.inner_text("#footer")


@needs_browser
def test_an_entry_of_the_overview_leads_to_its_place(
    opened: Callable[..., Any], tmp_path: Path
) -> None:
    """The acquisition that it is about is marked."""
    page = opened(deadlock(tmp_path / "x.actx"))
    page.click("#overview .place >> nth=0")

    assert page.evaluate("data.names[data.rows.task[chosen]]") in {"carla", "dora"}


@needs_browser
def test_thousands_of_tasks_of_one_kind_are_one_group(
    opened: Callable[..., Any], tmp_path: Path
) -> None:
    """A click opens it. Browsers limit the height of a canvas, so the rows scroll below it."""
    builder = RecordingBuilder(tmp_path / "x.actx").resource(1, "lock")
    for task in range(1, 3001):
        builder.task(task, f"task-{task}").acquisition(task, 1, task, task + 3000)
    page = opened(builder.timeline(at=6002))
    closed = page.evaluate("lines.map(line => line.more ?? lanes[line.lane].label)")
    box = page.locator("#lanes").bounding_box()
    page.mouse.click(box["x"] + 20, box["y"] + page.evaluate("lines.at(-1).y + 9 - down"))

    assert closed == ["task-… ×3,000", *[""] * 5, "2,994 more rows of task-… ×3,000"]
    assert page.evaluate("canvas.height") < 2000
    assert page.evaluate("scroll.scrollHeight") > 3000 * 18


def test_a_page_contains_no_markup_of_the_program(tmp_path: Path) -> None:
    """Names that look like HTML are data, and the page loads nothing."""
    builder = RecordingBuilder(tmp_path / "x.actx").task(1, "</script><script>alert(1)</script>")
    builder.resource(1, "<img src=http://evil.example/x>").acquisition(1, 1, 0, 1, 2, 3)
    builder.printed(1, "<b>bold</b>\x1b[2J")
    page = "".join(write(builder.timeline(at=10)))

    assert page.count("</script>") == 1
    assert "<img" not in page
    assert "<b>bold" not in page
    assert "\x1b" not in page
    assert "default-src 'none'" in page
    assert set(re.findall(r"(?:src|href)=\S", page)) <= {"src=h"}  # in the resource's own name


@pytest.mark.parametrize("arguments", [False, True])
def test_arguments_are_in_the_title_on_request_only(arguments: bool) -> None:
    """They may contain secrets; the program itself is always named."""
    timeline = Timeline(
        [
            ProcessDefined(1, 0, 7, 1, "python app.py --password hunter2"),
            TaskDefined(1, 1, "main", "asyncio", None, 0, "MainThread"),
            EnterStarted(2, 1, None, 1, "Lock", 1, 0),
            EnterEnded(3, 1, Outcome.OK, None),
        ]
    )
    page = "".join(write(timeline, arguments=arguments))

    assert "app.py" in page
    assert ("hunter2" in page) is arguments
