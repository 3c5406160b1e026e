"""The commands `export`, `fetch` and `run --otlp`."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asyncctx_trace import record, traced
from asyncctx_trace.sources import open_source
from asyncctx_trace_tui.cli import main
from importers.jaeger_server import Server, serving
from spans.recorded_programs import contention, recorded

from . import otlp_receiver as otlp


def asyncctx_trace(*words: str | Path) -> int:
    """Run a command line and return its exit code."""
    try:
        main([str(word) for word in words])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return recorded(tmp_path / "r.actx", contention)


def test_export_to_an_endpoint(recording: Path, capsys: Any) -> None:
    """Everything arrives, and one line has the number of spans."""
    with otlp.over_http() as receiver:
        code = asyncctx_trace("export", recording, "--otlp", receiver.address)

    said = capsys.readouterr()
    assert (code, said.out) == (0, "")
    assert said.err == (
        f"{receiver.address}/v1/traces: {len(receiver.spans)} sent, 0 rejected, 0 failed\n"
    )


def test_export_to_the_endpoint_of_the_environment(
    recording: Path, monkeypatch: Any, capsys: Any
) -> None:
    """`--otlp` without a URL."""
    with otlp.over_http() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.address)
        assert asyncctx_trace("export", recording, "--otlp") == 0

    assert receiver.spans
    capsys.readouterr()


def test_export_to_an_endpoint_that_does_not_answer(recording: Path, capsys: Any) -> None:
    """It prints the reason, the account and what to do, and fails; the file is unchanged."""
    before = recording.read_bytes(), recording.stat().st_mtime_ns
    code = asyncctx_trace(
        "export", recording, "--otlp", otlp.unused_address(), "--retry-for", "100ms"
    )

    said = capsys.readouterr().err
    assert code == 1
    assert "0 sent, 0 rejected" in said
    assert "Connection refused" in said
    assert "run the same command again" in said
    assert "Traceback" not in said
    assert (recording.read_bytes(), recording.stat().st_mtime_ns) == before


def test_export_with_partial_success(recording: Path, capsys: Any) -> None:
    """The message of the server is shown as text, without terminal escapes."""
    with otlp.over_http() as receiver:
        receiver.faults.append(otlp.partial_success(2, "no\x1b[2J room"))
        assert asyncctx_trace("export", recording, "--otlp", receiver.address) == 1

    said = capsys.readouterr().err
    assert "2 rejected" in said
    assert "\x1b" not in said
    assert "no\\x1b[2J room" in said


@pytest.mark.parametrize("format_", ["otlp-json", "jaeger", "perfetto"])
def test_export_to_a_file(recording: Path, tmp_path: Path, format_: str, capsys: Any) -> None:
    """A file has the same contents as standard output."""
    path = tmp_path / "out.json"
    assert asyncctx_trace("export", recording, "--format", format_, "-o", path) == 0
    assert asyncctx_trace("export", recording, "--format", format_) == 0

    said = capsys.readouterr()
    assert said.out == path.read_text(encoding="utf-8")
    for line in said.out.splitlines() if format_ == "otlp-json" else [said.out]:
        assert json.loads(line)


@pytest.mark.parametrize("format_", ["otlp-json", "jaeger"])
@pytest.mark.parametrize(("words", "one"), [((), True), (("--max-trace-spans", "5"), False)])
def test_a_short_recording_is_exported_as_one_trace(
    recording: Path, capsys: Any, format_: str, words: tuple[str, ...], one: bool
) -> None:
    """In every format, unless a trace is to have fewer spans."""
    assert asyncctx_trace("export", recording, "--format", format_, *words) == 0

    traces = set(re.findall(r'"trace(?:Id|ID)":"(\w+)"', capsys.readouterr().out))
    assert (len(traces) == 1) is one


def test_otlp_json_can_be_read_like_a_recording(
    recording: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    """By `export` and `report`, from a file and from standard input."""
    lines = tmp_path / "r.jsonl"
    asyncctx_trace("export", recording, "--format", "otlp-json", "-o", lines)
    asyncctx_trace("report", recording)
    report = capsys.readouterr().out

    assert asyncctx_trace("report", lines) == 0
    assert capsys.readouterr().out == report
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.read_bytes())))
    assert asyncctx_trace("export", "-", "--format", "otlp-json") == 0
    assert capsys.readouterr().out == lines.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export", "{r}"], "give one of --otlp or --exporter, to send spans, or --format"),
        (["export", "{r}", "--otlp", "ftp://x"], "is not an OTLP endpoint"),
        (["export", "{r}", "--format", "jaeger", "-o", "{r}"], "is the recording itself"),
        (["export", "missing.actx", "--format", "jaeger"], "missing.actx"),
        (["export", "{t}", "--format", "jaeger"], "is not an asyncctx-trace recording"),
        (["fetch", "http://localhost:16686"], "give either --trace ID or --service NAME"),
        (["fetch", "ftp://localhost", "--trace", "1"], "is not a URL"),
    ],
)
def test_errors_are_one_line(
    recording: Path, tmp_path: Path, words: list[str], said: str, capsys: Any
) -> None:
    """With a way out, and never a traceback."""
    text = tmp_path / "some.txt"
    text.write_text("hello")
    code = asyncctx_trace(*(word.format(r=recording, t=text) for word in words))

    error = capsys.readouterr().err
    assert code == 2
    assert said in error
    assert "Traceback" not in error


def test_report_reads_what_fetch_writes(recording: Path, tmp_path: Path, capsys: Any) -> None:
    """With a trace from Jaeger."""
    spans = list(open_source(recording).spans())
    path = tmp_path / "trace.jsonl"
    with serving(Server(spans, v3=True, legacy=False)) as server:
        code = asyncctx_trace(
            "fetch", server.address, "--trace", f"{spans[0].trace:032x}", "-o", path
        )
        assert asyncctx_trace("fetch", server.address, "--service", "shop") == 0

    said = capsys.readouterr()
    assert code == 0
    assert f"wrote {len(spans)} spans of 1 traces" in said.err
    assert said.out == path.read_text(encoding="utf-8")
    assert asyncctx_trace("report", path) == 0
    assert "db lock" in capsys.readouterr().out


PROGRAM = """\
import asyncio
from asyncctx_trace import traced

async def main():
    for _ in range(50):
        async with traced(asyncio.Lock(), name="lock"):
            pass
    print("done")

asyncio.run(main())
"""


def run(
    tmp_path: Path, url: str, *options: str, program: str = PROGRAM
) -> subprocess.CompletedProcess[str]:
    (tmp_path / "app.py").write_text(program)
    return subprocess.run(
        [
            *(sys.executable, "-m", "asyncctx_trace_tui", "run", "--headless", "-q"),
            *("-o", "r.actx", f"--otlp={url}", *options, "app.py"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        env=dict(os.environ),
        check=False,
    )


def test_run_streams_spans(tmp_path: Path) -> None:
    """The output and exit code of the program are unchanged; its spans arrive."""
    with otlp.over_http() as receiver:
        ended = run(tmp_path, receiver.address)

    assert (ended.returncode, ended.stdout) == (0, "done\n")
    assert f"spans: {len(receiver.spans)} sent, 0 rejected, 0 failed" in ended.stderr
    names = [span.name for span in receiver.spans]
    assert names.count("async with lock") == 50
    assert {resource["service.name"] for resource in receiver.resources} == {"app"}


def test_run_takes_an_address_for_the_endpoint_and_sends_nothing_unasked(tmp_path: Path) -> None:
    """`--otlp host:port app.py`, as the documentation of collectors has it."""
    (tmp_path / "app.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "asyncctx_trace_tui", "run", "-q", "-o", "r.actx"]
    with otlp.over_http() as receiver:
        address = receiver.address.removeprefix("http://")
        options = ["--otlp", address, "--overwrite"]
        told = [
            subprocess.run(
                [*command, *given, "app.py"],
                cwd=tmp_path,
                env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address},
                capture_output=True,
                text=True,
                check=True,
            )
            for given in ([], options)
        ]

    assert [ended.stdout for ended in told] == ["done\n"] * 2
    assert told[0].stderr == ""
    assert f"spans: {len(receiver.spans)} sent, 0 rejected, 0 failed" in told[1].stderr
    assert receiver.spans


def test_run_streams_spans_of_waits_on_request(tmp_path: Path) -> None:
    """They are in the recording in any case."""
    program = PROGRAM.replace("            pass", "            await asyncio.sleep(0.001)")
    with otlp.over_http() as receiver:
        ended = run(tmp_path, receiver.address, "--otlp-waits", program=program)

    names = [span.name for span in receiver.spans]
    assert ended.returncode == 0
    assert names.count("async with lock") == names.count("wait sleep") == 50


def test_run_refuses_spans_of_waits_that_go_nowhere(capsys: Any) -> None:
    """Without an endpoint, the option has no meaning."""
    assert asyncctx_trace("run", "--otlp-waits", "app.py") == 2
    assert "--otlp-waits needs --otlp or --exporter" in capsys.readouterr().err


def test_run_is_not_affected_by_an_endpoint_that_does_not_answer(tmp_path: Path) -> None:
    """The recording is complete; spans that were not sent are counted and can be sent later."""
    address = otlp.unused_address()
    ended = run(tmp_path, address)

    assert (ended.returncode, ended.stdout) == (0, "done\n")
    assert "spans: 0 sent, 0 rejected," in ended.stderr
    assert f"send them later: asyncctx-trace export r.actx --otlp {address}\n" in ended.stderr
    with otlp.over_http() as receiver:
        assert asyncctx_trace("export", tmp_path / "r.actx", "--otlp", receiver.address) == 0
    assert len(receiver.spans) >= 200


def test_a_growing_recording_is_exported_up_to_now(tmp_path: Path, capsys: Any) -> None:
    """Acquisitions that have not ended are left out, and counted in the output."""
    path = tmp_path / "r.actx"

    async def hold() -> int:
        async with traced(asyncio.Lock(), name="lock"):
            return asyncctx_trace("export", path, "--format", "otlp-json")

    with record(path):
        assert asyncio.run(hold()) == 0

    said = capsys.readouterr()
    assert said.out == ""
    assert "1 acquisitions have not ended and are left out" in said.err


def test_exports_can_be_read_by_their_owner_only(recording: Path, tmp_path: Path) -> None:
    """They contain the same as the recording."""
    path = tmp_path / "out.jsonl"
    asyncctx_trace("export", recording, "--format", "otlp-json", "-o", path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
