"""What is seen leaves the app: as a picture, as text, as a page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from app.loops import in_a_loop
from app.screens import staged
from app.stories import Story, three_workers
from asyncctx_trace.analysis.timeline import Timeline
from asyncctx_trace.export import html
from asyncctx_trace.recording.reader import read
from asyncctx_trace_tui.commands import main
from asyncctx_trace_tui.settings import Settings
from asyncctx_trace_tui.snapshot import snapshot

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


def test_a_picture_needs_nothing_from_outside(workers: Path) -> None:
    """It is XML, and the only addresses in it are names."""
    svg = snapshot(workers, "svg")
    ElementTree.fromstring(svg)
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", re.sub(r"<!--.*?-->", "", svg)))

    assert addresses == {"http://www.w3.org/2000/svg"}


def test_a_picture_is_taken_in_any_theme(workers: Path) -> None:
    """With its colours in it."""
    light = snapshot(workers, "svg", settings=Settings(theme="asyncctx-light"))

    assert "#fbfaf7" in light.lower()


def test_text_shows_the_whole_run(workers: Path) -> None:
    """Lanes, words and output, without a terminal."""
    text = snapshot(workers, "text", (80, 24))

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


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_the_page_comes_up_in_a_browser(workers: Path, tmp_path: Path) -> None:
    """Its script runs to the end: title, findings and output are in place."""
    page = tmp_path / "x.html"
    page.write_text("".join(html.write(Timeline(read(workers)))))
    done = subprocess.run(
        [
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *("--virtual-time-budget=3000", f"--user-data-dir={tmp_path / 'profile'}"),
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "second line</span>" in done.stdout
    assert re.search(r'<canvas [^>]*style="width: \d+px', done.stdout)


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
