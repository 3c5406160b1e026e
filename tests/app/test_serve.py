"""The app in a browser, by textual-serve, on the loopback address."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.builders import three_workers

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


def serve(*words: object) -> subprocess.Popen[str]:
    """Start ``asyncctx-trace serve WORDS`` in a process of its own."""
    command = [sys.executable, "-m", "asyncctx_trace_tui", "serve", *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    )


def test_a_file_that_is_not_a_recording_is_not_served(tmp_path: Path) -> None:
    """One line, and an exit code."""
    path = tmp_path / "x.actx"
    path.write_text("hello")
    with serve(path) as process:
        output, _ = process.communicate(timeout=30)

    assert process.returncode == 2
    assert output.count("\n") == 1
    assert "is not an asyncctx-trace recording" in output


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_a_browser_shows_the_app(tmp_path: Path) -> None:
    """The page loads, the app draws, and no other host is contacted."""
    pytest.importorskip("textual_serve", reason="textual-serve is not installed")
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path, port = three_workers(tmp_path / "x.actx").end(320), free_port()
    with serve(path, "--port", port) as process, api.sync_playwright() as playwright:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if str(port) in line:
                    break
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            page.goto(f"http://127.0.0.1:{port}/")
            page.wait_for_selector("body.-first-byte", timeout=30_000)
            browser.close()
        finally:
            process.send_signal(signal.SIGINT)

    assert asked
    assert {urlsplit(url).hostname for url in asked} == {"127.0.0.1"}
