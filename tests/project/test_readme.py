"""What the README promises is what CI runs and what is there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

from export import otlp_receiver as otlp

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_ci_runs_the_test_command_of_the_readme_word_for_word() -> None:
    """Otherwise CI would not have tried what the README says."""
    (command,) = re.findall(r"^ {4}(python3 -m venv .*pytest.*)$", README, re.MULTILINE)

    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


def test_every_file_that_the_readme_names_is_there() -> None:
    """Pictures and pages."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


PROGRAM = """
import asyncio

async def main():
    async with asyncio.Lock():
        pass

asyncio.run(main())
"""


def test_the_lines_for_jaeger_send_spans_as_they_stand(tmp_path: Path) -> None:
    """Word for word but for the address, which is that of a receiver of real OTLP on loopback."""
    lines = re.findall(
        r"^ {4}asyncctx-trace (.*--otlp http://localhost:4318[^#\n]*)", README, re.MULTILINE
    )
    (tmp_path / "app.py").write_text(PROGRAM)
    with otlp.over_http() as receiver:
        for line in lines:
            sent = len(receiver.spans)
            recorded = line.replace("run ", "run -o FILE.actx ", 1)
            words = shlex.split(recorded.replace("http://localhost:4318", receiver.address))
            subprocess.run(
                [sys.executable, "-m", "asyncctx_trace_tui", *words],
                cwd=tmp_path,
                check=True,
                capture_output=True,
            )
            assert len(receiver.spans) > sent

    assert [line.split()[0] for line in lines] == ["run", "export"]


def test_what_the_lines_for_jaeger_need_is_installed_without_an_extra() -> None:
    """The first command of the README installs no more than the dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split("[<>=]", requirement)[0] for requirement in project["dependencies"]}

    assert {"opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"} <= names
