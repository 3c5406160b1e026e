"""The app in a browser, by textual-serve, on the loopback address."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
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
            url = next(line for line in process.stdout if str(port) in line).split()[-1]
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            page.goto(url)
            page.wait_for_selector("body.-first-byte", timeout=30_000)
            browser.close()
        finally:
            process.send_signal(signal.SIGINT)

    assert asked
    assert {urlsplit(url).hostname for url in asked} == {"127.0.0.1"}


def answer(url: str, *, host: str | None = None, origin: str | None = None, path: str = "") -> int:
    """The status of a request; one for the WebSocket where ``path`` is ``ws``."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 0, timeout=30)
    connection.putrequest("GET", parts.path + path, skip_host=True)
    connection.putheader("Host", host or parts.netloc)
    if origin is not None:
        connection.putheader("Origin", origin)
    if path.startswith("ws"):
        connection.putheader("Upgrade", "websocket")
        connection.putheader("Connection", "Upgrade")
        connection.putheader("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        connection.putheader("Sec-WebSocket-Version", "13")
    connection.endheaders()
    status = connection.getresponse().status
    connections.append(connection)
    return status


connections: list[HTTPConnection] = []
"""Kept open, as windows are."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL that ``serve`` prints."""
    pytest.importorskip("textual_serve", reason="textual-serve is not installed")
    path = three_workers(tmp_path_factory.mktemp("served") / "x.actx").end(320)
    with serve(path, "--port", free_port()) as process:
        try:
            assert process.stdout is not None
            yield next(line for line in process.stdout if "http" in line).split()[-1]
        finally:
            for connection in connections:
                connection.close()
            process.send_signal(signal.SIGINT)


def test_its_own_page_is_served(served: str) -> None:
    """By the address and by the name of this machine, with the token of the URL."""
    port = urlsplit(served).port
    own = urlsplit(served).netloc

    assert answer(served) == 200
    assert answer(served, host=f"localhost:{port}") == 200
    assert answer(served, path="ws?width=80&height=24", origin=f"http://{own}") == 101


@pytest.mark.parametrize("path", ["", "ws?width=80&height=24", "static/js/textual.js"])
@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.test", None),
        ("evil.test", "http://evil.test"),
        ("localhost.evil.test", None),
        (None, "http://evil.test"),
        (None, "null"),
        (None, "http://127.0.0.1:1"),
        ("[::1", None),
    ],
)
def test_other_hosts_and_other_pages_are_refused(
    served: str, path: str, host: str | None, origin: str | None
) -> None:
    """A page that rebinds its name to this machine, or that opens a WebSocket to it."""
    assert answer(served, path=path, host=host, origin=origin) in (400, 403)


@pytest.mark.parametrize("path", ["", "ws", "download/x", "static/", "static/../../etc/passwd"])
def test_nothing_is_served_without_the_token(served: str, path: str) -> None:
    """A process that can connect does not know the token."""
    without = urlsplit(served)._replace(path="/").geturl()

    assert answer(without, path=path) == 404


@pytest.mark.parametrize("size", ["width=100000", "height=-1", "width=x", "height=0"])
def test_sizes_that_no_window_has_are_refused(served: str, size: str) -> None:
    """A terminal of a million cells would use up memory."""
    assert answer(served, path=f"ws?{size}") == 400


def test_only_so_many_windows_are_served(served: str) -> None:
    """Each is a process that reads the recording."""
    own = f"http://{urlsplit(served).netloc}"
    asked = [answer(served, path="ws?width=80&height=24", origin=own) for _ in range(12)]

    assert asked.count(101) <= 8
    assert asked[-1] == 503


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    """It says what to do."""
    pytest.importorskip("textual_serve", reason="textual-serve is not installed")
    path = three_workers(tmp_path / "x.actx").end(320)
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        serve(path, "--port", other.getsockname()[1]) as process,
    ):
        said, _ = process.communicate(timeout=60)

    assert process.returncode == 2
    assert said.count("\n") == 1
    assert "is in use: choose another port with --port" in said
