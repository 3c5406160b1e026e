"""What is seen leaves the app: as a picture, as text, as a page."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from xml.etree import ElementTree

import pytest

from app.loops import in_a_loop
from app.screens import staged
from app.stories import Story, three_workers
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.export.formats import html
from asyncctx_trace.recording.reader import read
from asyncctx_trace_tui.app.offscreen import render_offscreen
from asyncctx_trace_tui.cli import main
from asyncctx_trace_tui.storage.app_settings import Settings
from asyncctx_trace_tui.storage.atomic_write import open_atomic

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def workers(tmp_path: Path) -> Path:
    """The finished recording of three workers at one lock."""
    return three_workers(tmp_path / "x.actx").end(320)


def test_keys_save_what_is_seen(
    workers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside each other, and never over an older one."""
    monkeypatch.chdir(tmp_path)

    @in_a_loop
    async def save() -> None:
        async with staged(workers, (100, 30)) as stage:
            await stage.press("space", "x", "x", "X", "ctrl+x")
            await stage.app.workers.wait_for_complete()
            await stage.settle()

    save()

    saved = {path.name for path in tmp_path.iterdir()}
    assert saved == {"x.actx", "x.svg", "x-2.svg", "x.txt", "x.html"}
    assert "worker-2" in (tmp_path / "x.txt").read_text()


def test_a_page_can_be_stopped_and_leaves_nothing(
    workers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The title says what is written; Escape ends that, and the keys work meanwhile."""
    monkeypatch.chdir(tmp_path)
    begun, go_on = Event(), Event()

    def slow(timeline: Timeline, *, running: bool) -> Iterator[str]:
        yield "x" * 12_000
        begun.set()
        go_on.wait()
        yield "y"

    monkeypatch.setattr(html, "write", slow)

    @in_a_loop
    async def save() -> None:
        async with staged(workers, (100, 30)) as stage:
            await stage.press("space", "ctrl+x")
            await asyncio.to_thread(begun.wait)
            await stage.press("end")
            told, at = stage.lines[0], stage.at
            await stage.press("escape")
            go_on.set()
            await stage.app.workers.wait_for_complete()
            await stage.settle()

            assert "writing x.html" in told
            assert "Escape cancels" in told
            assert at == 320
            assert "cancelled: x.html was not written" in stage.text
            assert "writing" not in stage.lines[0]

    save()

    assert [path.name for path in tmp_path.iterdir()] == ["x.actx"]


def test_a_file_is_written_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    """Ctrl-C leaves the old one as it was, and nothing beside it."""
    path = tmp_path / "x.html"
    path.write_text("old")

    def interrupted() -> None:
        with open_atomic(path) as file:
            file.write("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    left = path.read_text()
    with open_atomic(path) as file:
        file.write("new")

    assert (left, path.read_text()) == ("old", "new")
    assert [each.name for each in tmp_path.iterdir()] == ["x.html"]


def test_what_is_no_file_takes_what_it_is_given() -> None:
    """A device is not replaced."""
    with open_atomic(Path(os.devnull)) as file:
        file.write("gone")

    assert Path(os.devnull).is_char_device()


def test_ctrl_c_on_the_command_line_leaves_no_half_file(workers: Path, tmp_path: Path) -> None:
    """With a real process, which stands in the middle of writing."""
    patient = f"""
import sys, time
from asyncctx_trace.export.formats import html
from asyncctx_trace_tui.cli import main
def slow(timeline, *, running):
    yield "half"
    print("half way", flush=True)
    for _ in range(10_000):  # a signal that is noted just before a sleep ends the next one
        time.sleep(0.01)
html.write = slow
main(["export", {str(workers)!r}, "--format", "html", "-o", "x.html"])
"""
    with subprocess.Popen(
        [sys.executable, "-c", patient], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half way\n"
        process.send_signal(signal.SIGINT)
        process.wait(240)

    assert process.returncode != 0
    assert [path.name for path in tmp_path.iterdir()] == ["x.actx"]


def test_a_picture_needs_nothing_from_outside(workers: Path) -> None:
    """It is XML, and the only addresses in it are names."""
    svg = render_offscreen(workers, "svg")
    ElementTree.fromstring(svg)
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", re.sub(r"<!--.*?-->", "", svg)))

    assert addresses == {"http://www.w3.org/2000/svg"}


def test_a_picture_is_taken_in_any_theme(workers: Path) -> None:
    """With its colours in it."""
    light = render_offscreen(workers, "svg", settings=Settings(theme="asyncctx-light"))

    assert "#fbfaf7" in light.lower()


def test_text_shows_the_whole_run(workers: Path) -> None:
    """Lanes, words and output, without a terminal."""
    text = render_offscreen(workers, "text", (80, 24))

    assert "paused 0.320s" in text
    assert "second line" in text
    assert text.count("█") > 30


def test_a_page_holds_no_markup_of_the_program_s(tmp_path: Path) -> None:
    """Names that look like HTML are data; the page asks nobody for anything."""
    story = Story(tmp_path / "x.actx").task(1, "</script><script>alert(1)</script>")
    story.resource(1, "<img src=http://evil.example/x>").pass_(1, 1, 0, 1, 2, 3)
    story.printed(1, "<b>bold</b>\x1b[2J")
    page = "".join(html.write(Timeline(read(story.end(10)))))

    assert page.count("</script>") == 1
    assert "<img" not in page
    assert "\x1b" not in page
    assert "default-src 'none'" in page
    assert re.findall(r"(?:src|href)=", page) == ["src="]  # in the resource's own name


def in_a_browser(page: Path, profile: Path) -> str:
    """The page after its script has run."""
    done = subprocess.run(
        [
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *("--virtual-time-budget=3000", f"--user-data-dir={profile}"),
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_the_page_comes_up_in_a_browser(workers: Path, tmp_path: Path) -> None:
    """Its script runs to the end: title, findings and output are in place."""
    page = tmp_path / "x.html"
    page.write_text("".join(html.write(Timeline(read(workers)))))
    shown = in_a_browser(page, tmp_path / "profile")

    assert "second line</span>" in shown
    assert re.search(r'<canvas [^>]*style="width: \d+px', shown)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_a_page_of_thousands_of_tasks_is_drawn_where_it_is_looked_at(tmp_path: Path) -> None:
    """No browser has a canvas so high; the lanes scroll below it."""
    story = Story(tmp_path / "x.actx").resource(1, "lock")
    for task in range(1, 3001):
        story.task(task, f"task-{task}").pass_(task, 1, task, task, task + 1, task + 1)
    page = tmp_path / "x.html"
    page.write_text("".join(html.write(story.timeline(at=3002))))
    shown = in_a_browser(page, tmp_path / "profile")
    canvas = re.search(r"<canvas [^>]*height: (\d+)px", shown)
    space = re.search(r'id="space" style="height: (\d+)', shown)
    assert canvas is not None
    assert space is not None

    assert int(canvas[1]) < 2000
    assert int(space[1]) > 3000 * 18


@pytest.mark.parametrize(
    ("format", "holds"), [("html", "<canvas"), ("svg", "<svg"), ("text", "worker-1")]
)
def test_the_command_line_writes_them_without_a_terminal(
    workers: Path, tmp_path: Path, format: str, holds: str
) -> None:
    """`asyncctx-trace export FILE --format …`."""
    written = tmp_path / "written"
    with pytest.raises(SystemExit) as ended:
        main(["export", str(workers), "--format", format, "-o", str(written)])

    assert ended.value.code == 0
    assert holds in written.read_text("utf-8")
