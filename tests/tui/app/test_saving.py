"""Saving the screen as a picture, as text, and the recording as a page."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import BinaryIO, TextIO
from xml.etree import ElementTree

import pytest
from textual.drivers.headless_driver import HeadlessDriver

from app.async_tests import async_test
from app.builders import three_workers
from app.driver import open_app
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace_tui.app.offscreen import render_offscreen
from asyncctx_trace_tui.cli import main
from asyncctx_trace_tui.html_page import page
from asyncctx_trace_tui.storage.app_settings import Settings
from asyncctx_trace_tui.storage.atomic_write import open_atomic

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def workers(tmp_path: Path) -> Path:
    """Return the finished recording of three workers at one lock."""
    return three_workers(tmp_path / "x.actx").end(320)


def test_keys_save_the_screen(
    workers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Existing files are not overwritten."""
    monkeypatch.chdir(tmp_path)

    @async_test
    async def save() -> None:
        async with open_app(workers, (100, 30)) as driver:
            await driver.press("space", "x", "x", "X", "ctrl+x")
            await driver.app.workers.wait_for_complete()
            await driver.settle()

    save()

    saved = {path.name for path in tmp_path.iterdir()}
    assert saved == {"x.actx", "x.svg", "x-2.svg", "x.txt", "x.html"}
    assert "worker-2" in (tmp_path / "x.txt").read_text()


def test_saving_a_page_can_be_cancelled(
    workers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The title shows the progress, keys keep working, and Escape leaves no file."""
    monkeypatch.chdir(tmp_path)
    begun, go_on = Event(), Event()

    def slow(_timeline: Timeline, **_: object) -> Iterator[str]:
        yield "x" * 12_000
        begun.set()
        go_on.wait()
        yield "y"

    monkeypatch.setattr(page, "write", slow)

    @async_test
    async def save() -> None:
        async with open_app(workers, (100, 30)) as driver:
            await driver.press("space", "ctrl+x")
            await asyncio.to_thread(begun.wait)
            await driver.press("end")
            title, at = driver.lines[0], driver.at
            await driver.press("escape")
            go_on.set()
            await driver.app.workers.wait_for_complete()
            await driver.settle()

            assert "writing x.html" in title
            assert "Escape cancels" in title
            assert at == 320
            assert "cancelled: x.html was not written" in driver.text
            assert "writing" not in driver.lines[0]

    save()

    assert [path.name for path in tmp_path.iterdir()] == ["x.actx"]


def test_files_are_written_completely_or_not_at_all(tmp_path: Path) -> None:
    """Ctrl-C leaves the old file unchanged and no temporary file."""
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


@pytest.mark.skipif(os.name == "nt", reason="needs the right to make links")
def test_no_link_that_others_placed_is_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder for all, somebody may have guessed the name of the temporary file."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    monkeypatch.setattr(secrets, "token_hex", lambda size: "0" * 2 * size)
    (tmp_path / f".x.html.{'0' * 16}.part").symlink_to(victim)

    with pytest.raises(FileExistsError), open_atomic(tmp_path / "x.html") as file:
        file.write("new")

    assert victim.read_text() == "precious"


@async_test
async def test_a_browser_downloads_and_nothing_is_written_here(
    workers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures, text and pages are for the visitor, not for the server's folder."""
    delivered: dict[str, str] = {}

    def deliver(binary: BinaryIO | TextIO, *, save_path: Path, **_: object) -> None:
        with binary:
            content = binary.read()
        delivered[save_path.name] = content if isinstance(content, str) else content.decode()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(HeadlessDriver, "is_web", True)
    monkeypatch.setattr(HeadlessDriver, "deliver_binary", staticmethod(deliver))
    async with open_app(workers, (100, 30)) as driver:
        await driver.press("space", "x", "X", "ctrl+x")
        await driver.app.workers.wait_for_complete()
        await driver.settle()

    assert os.listdir(tmp_path) == ["x.actx"]  # noqa: PTH208 - the app has ended
    assert set(delivered) == {"x.svg", "x.txt", "x.html"}
    assert "worker-2" in delivered["x.txt"]
    assert delivered["x.html"].rstrip().endswith("</html>")


def test_devices_are_written_to_directly() -> None:
    """A device is not replaced."""
    with open_atomic(Path(os.devnull)) as file:
        file.write("gone")

    assert Path(os.devnull).is_char_device()


def test_ctrl_c_on_the_command_line_leaves_no_partial_file(workers: Path, tmp_path: Path) -> None:
    """With a real process, interrupted while it writes."""
    patient = f"""
import sys, time
from asyncctx_trace_tui.html_page import page
from asyncctx_trace_tui.cli import main
def slow(timeline, **options):
    yield "half"
    print("half way", flush=True)
    for _ in range(10_000):  # a signal that is noted just before a sleep ends the next one
        time.sleep(0.01)
page.write = slow
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


def test_a_picture_loads_nothing_from_elsewhere(workers: Path) -> None:
    """It is XML, and the only URLs in it are names."""
    svg = render_offscreen(workers, "svg")
    ElementTree.fromstring(svg)
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", re.sub(r"<!--.*?-->", "", svg)))

    assert addresses == {"http://www.w3.org/2000/svg"}


def test_a_picture_has_the_colors_of_the_theme(workers: Path) -> None:
    """In every theme."""
    light = render_offscreen(workers, "svg", settings=Settings(theme="asyncctx-light"))

    assert "#fbfaf7" in light.lower()


def test_text_shows_the_whole_run(workers: Path) -> None:
    """Lanes, narration and output, without a terminal."""
    text = render_offscreen(workers, "text", (80, 24))

    assert "paused 0.320s" in text
    assert "second line" in text
    assert text.count("█") > 30


@pytest.mark.parametrize(
    ("format", "holds"), [("html", "<canvas"), ("svg", "<svg"), ("text", "worker-1")]
)
def test_export_writes_pictures_and_text_without_a_terminal(
    workers: Path, tmp_path: Path, format: str, holds: str
) -> None:
    """`asyncctx-trace export FILE --format …`."""
    written = tmp_path / "written"
    with pytest.raises(SystemExit) as ended:
        main(["export", str(workers), "--format", format, "-o", str(written)])

    assert ended.value.code == 0
    assert holds in written.read_text("utf-8")
