"""What may be secret stays out of a recording, and out of all that is made of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from asyncctx_trace.model.command_line import without_arguments
from asyncctx_trace.recording.writing.source_digest import digest_of, digest_of_file

PROGRAM = """
import asyncio, sys
from asyncctx_trace import traced

class Database:
    def __init__(self, url):
        self.url = url

    async def __aenter__(self):
        raise ConnectionError(f"cannot connect to {self.url}")

    async def __aexit__(self, *exc):
        pass

async def main():
    try:
        async with Database("postgres://bob:hunter2_literal@db"):
            pass
    except ConnectionError:
        pass
    try:
        async with Database(sys.argv[1]):
            pass
    except ConnectionError:
        pass
    print("the token is hunter2_output", flush=True)

asyncio.run(main())
"""


def recording_and_exports(folder: Path, *options: str) -> bytes:
    """The recording of PROGRAM, and each export of it."""
    (folder / "app.py").write_text(PROGRAM)
    trace = [sys.executable, "-m", "asyncctx_trace_tui"]
    run = [*trace, "run", "-q", *options, "-o", "x.actx", "app.py", "--key=hunter2_argument"]
    subprocess.run(run, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    written = (folder / "x.actx").read_bytes()
    for format_ in ("otlp-json", "jaeger", "html", "perfetto"):
        export = [*trace, "export", "x.actx", "--format", format_]
        written += subprocess.run(export, cwd=folder, check=True, stdout=subprocess.PIPE).stdout
    return written


@pytest.mark.parametrize("way", ["--redact", "setting", "--keep"])
def test_a_redacted_recording_contains_no_secret(tmp_path: Path, way: str) -> None:
    """Arguments, messages and literals; in a ring too, whose entries are written again."""
    options = {"--redact": ["--redact"], "--keep": ["--redact", "--keep", "1MB"]}.get(way, [])
    if way == "setting":
        (tmp_path / "pyproject.toml").write_text("[tool.asyncctx-trace]\nredact = true\n")

    written = recording_and_exports(tmp_path, *options)

    assert b"hunter2" not in written
    assert b"ConnectionError" in written
    assert b"app.py" in written


def test_spans_do_not_contain_the_arguments_of_a_process_anyway(tmp_path: Path) -> None:
    """As the resource detector of OpenTelemetry leaves them out."""
    recording_and_exports(tmp_path)
    export = ["export", "x.actx", "--format", "otlp-json"]
    spans = subprocess.run(
        [sys.executable, "-m", "asyncctx_trace_tui", *export],
        cwd=tmp_path,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout

    assert b"app.py" in spans
    assert b"app.py --key" not in spans


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("/usr/bin/python3 -X dev app.py --key 1", "/usr/bin/python3 -X dev app.py"),
        ("python -m uvicorn app:app --port 80", "python -m uvicorn"),
        ("python -Im uvicorn app:app", "python -Im uvicorn"),
        ("python -c print('secret') x", "python -c"),
        ("python - secret", "python -"),
        ("gunicorn --key 1", "gunicorn"),
        ("python", "python"),
        ("", ""),
    ],
)
def test_a_command_line_ends_with_the_program(command: str, shown: str) -> None:
    """Its interpreter's options are no secret."""
    assert without_arguments(command) == shown


def test_a_digest_tells_whether_a_file_is_the_one_that_was_recorded(tmp_path: Path) -> None:
    """What cannot be read has none."""
    source = tmp_path / "app.py"
    source.write_bytes(b"import asyncio\n")

    assert digest_of_file(str(source)) == digest_of(b"import asyncio\n") != digest_of(b"")
    assert digest_of_file(str(tmp_path / "missing.py")) == ""
    assert digest_of_file("<string>") == digest_of_file("a\0b") == digest_of_file("/dev/zero") == ""
