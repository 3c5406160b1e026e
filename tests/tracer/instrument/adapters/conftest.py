"""The servers that the libraries talk to."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncctx_trace_tui.run import bundled_scenarios


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The DSN of a private PostgreSQL, or of the one that ``ASYNCCTX_PG_DSN`` names."""
    if "ASYNCCTX_PG_DSN" in os.environ:
        yield os.environ["ASYNCCTX_PG_DSN"]
        return
    keeper = bundled_scenarios.find("pool").with_name("_postgres_server.py")
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(keeper), *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline() or "{}")
        if "dsn" not in answer:
            pytest.skip(answer.get("error", "the private PostgreSQL did not come up"))
        yield answer["dsn"]
        process.stdin.close()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a private Redis, or of the one that ``ASYNCCTX_REDIS_URL`` names."""
    pytest.importorskip("redis")
    if "ASYNCCTX_REDIS_URL" in os.environ:
        yield os.environ["ASYNCCTX_REDIS_URL"]
        return
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        pytest.skip("there is no redis-server on the PATH")
    folder = tmp_path_factory.mktemp("redis")
    port = _free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir"]
    with subprocess.Popen([*command, str(folder)], stdout=subprocess.DEVNULL) as process:
        try:
            _await_server(port, process)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _await_server(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        else:
            return


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of the program, outside the installed packages."""
    return tmp_path
