"""The subcommands that print, called in this process."""

from __future__ import annotations

import json
import time
from datetime import time as datetime_time
from io import StringIO
from pathlib import Path

import pytest

from asyncctx_trace.model.outcomes import Outcome
from asyncctx_trace.recording.format import Anchor
from asyncctx_trace.recording.writing.writer import TextWriter
from asyncctx_trace_tui.cli import main
from asyncctx_trace_tui.cli.report_printing import print_report
from asyncctx_trace_tui.reports import loading
from recording.builders import LOCK, define_names, recorder

OK = int(Outcome.OK)
MS = 1_000_000


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two acquisitions of a lock, the second after 60 ms of waiting; a third does not end."""
    path = tmp_path / "run.actx"
    writer = recorder(path)
    define_names(writer)
    writer.task_defined(5, 2, "worker-2", "asyncio", 0, "MainThread")
    start = 1000 * MS
    for number, task, asked, got_in, left in (
        (1, 1, 0, 0, 60),
        (2, 2, 0, 60, 70),
        (3, 1, 100, 100, None),
    ):
        writer.enter_started(start + asked * MS, number, 0, task, 1, LOCK, 1)
        writer.enter_ended(start + got_in * MS, number, OK, None)
        if left is not None:
            writer.exit_started(start + left * MS, number, task, OK, None)
            writer.exit_ended(start + left * MS, number, OK, False, None)
    writer.task_ended(start + 200 * MS, 1)
    writer.close()
    return path


def call(*words: str | Path) -> int:
    """Run ``asyncctx-trace WORDS`` and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_the_report_is_printed(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without color, as stdout is not a terminal."""
    code = call("report", recording)
    text = capsys.readouterr().out

    assert code == 0
    assert text.startswith("Leak: `db lock` at app.py:12 was entered by worker-1 and never exited")
    assert "1 finding, 1 certain (leak), in 3 acquisitions of 1 resource by 2 tasks" in text
    assert "leak (certain) app.py:12" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("command", ["report", "diff"])
@pytest.mark.parametrize(
    ("variables", "colored"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_force_color_and_no_color_are_respected(
    recording: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    variables: dict[str, str],
    colored: bool,
) -> None:
    """Although stdout is not a terminal; NO_COLOR takes precedence."""
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    call(command, recording, *[recording] * (command == "diff"))

    assert ("\x1b[" in capsys.readouterr().out) == colored


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--fail-on", "leak"], 1),
        (["--fail-on", "deadlock,leak"], 1),
        (["--fail-on", "deadlock", "--fail-on", "timeout"], 0),
        (["--fail-on", "certain"], 1),
        (["--fail-on", "any"], 1),
        (["--fail-on", "any", "--until", "50ms"], 0),
        (["--fail-on", "any", "--task", "worker-2"], 0),
        (["--fail-on", "any", "--resource", "cache*"], 0),
        (["--budget", "db lock:wait.p99<5ms"], 1),
        (["--budget", "db lock:wait.p99<5s", "--budget", "*:contended<50%"], 0),
        (["--budget", "no such:wait.p99<5s"], 1),
    ],
)
def test_checks_determine_the_exit_code(recording: Path, options: list[str], code: int) -> None:
    """Kinds of findings, certainty, and budgets."""
    assert call("report", recording, *options) == code


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (["--fail-on", "deadlock", "--budget", "db lock:wait.max<5s"], []),
        (
            ["--fail-on", "leak,certain"],
            [
                "check --fail-on leak failed: leak (certain): `db lock` at app.py:12 was entered",
                "check --fail-on certain failed: leak (certain): `db lock` at app.py:12 was",
            ],
        ),
        (
            ["--budget", "db lock:wait.max<5ms"],
            ["check failed: budget db lock:wait.max<5ms: it is 60.0 ms, 55.0 ms over 5.00 ms"],
        ),
        (
            ["--budget", "db look:wait.max<5ms"],
            ["check failed: budget db look:wait.max<5ms: no resource is named 'db look': did you"],
        ),
    ],
)
def test_a_failed_check_is_printed_with_its_reason(
    recording: Path, options: list[str], lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One line each on stderr, whatever the format of the report."""
    call("report", recording, *options, "--format", "json")
    printed_lines = capsys.readouterr().err.splitlines()

    assert len(printed_lines) == len(lines)
    for line, expected in zip(printed_lines, lines, strict=True):
        assert line.startswith(f"asyncctx-trace: {expected}")


def test_checks_fail_on_incomplete_evidence(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The missing acquisitions could matter; without checks the command succeeds."""
    notes = TextWriter(recording)
    notes.dropped(1_300_000_000, 7, "no room on the disk")
    notes.close()

    assert call("report", recording, "--fail-on", "deadlock") == 1
    assert capsys.readouterr().err == (
        "asyncctx-trace: check failed: the evidence is incomplete: 7 acquisitions not recorded: "
        "no room on the disk\n"
    )
    assert call("report", recording) == 0


def test_an_exceeded_budget_is_reported(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the value and the culprit."""
    call("report", recording, "--budget", "db lock:wait.max<5ms")

    assert (
        "exceeded budget db lock:wait.max<5ms: it is 60.0 ms, 55.0 ms over 5.00 ms; "
        "100 % of all waiting is for app.py:12"
    ) in " ".join(capsys.readouterr().out.split())


def test_since_and_until_limit_the_report(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Acquisitions that ended before are left out, those in flight count."""
    code = call("report", recording, "--format", "json", "--since", "65ms", "--until", "90ms")
    result = json.loads(capsys.readouterr().out)

    assert code == 0
    assert result["recording"]["acquisitions"] == 1
    assert result["recording"]["running"]
    assert result["findings"] == []


@pytest.mark.parametrize(
    ("clock", "seconds"), [("22:13:25", 5), ("22:13:20.5", 0.5), ("03:14", 5 * 3600 + 40)]
)
def test_since_and_until_accept_a_time_of_day(
    clock: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In local time; a time before the start of the recording is on the next day."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    anchor = Anchor(wall_ns=1_700_000_000 * 10**9, monotonic_ns=7 * 10**9)  # 22:13:20

    at = loading.monotonic_at(anchor, datetime_time.fromisoformat(clock))

    assert at == 7 * 10**9 + round(seconds * 10**9)


def test_a_time_of_day_limits_the_report(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Like a time since the start."""
    call("report", recording, "--format", "json", "--until", "23:59:59.999")

    assert json.loads(capsys.readouterr().out)["recording"]["acquisitions"] == 3


@pytest.mark.parametrize("format_", ["text", "json", "markdown"])
def test_every_format_reports_the_leak(
    recording: Path, format_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Text, JSON and Markdown."""
    call("report", recording, "--format", format_)

    assert "leak" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["report", "missing.actx"], "missing.actx: No such file"),
        (
            ["report", "--fail-on", "leek", "x"],
            "unknown kind of finding 'leek': did you mean 'leak'?",
        ),
        (
            ["report", "--fail-on", "", "x"],
            "no kind of finding given; use deadlock, destroyed-task, leak",
        ),
        (
            ["report", "--fail-on", " , ", "x"],
            "no kind of finding given; use deadlock, destroyed-task, leak",
        ),
        (["report", "--budget", "fast", "x"], "'fast' is not a budget: write it like"),
        (["report", "--since", "soon", "x"], "invalid duration 'soon'; use for example 5ms"),
        (
            ["report", "--threshold", "slow=1s", "x"],
            "unknown threshold 'slow': did you mean 'slow-cleanup'?",
        ),
        (["report", "--threshold", "slow-cleanup=x", "x"], "invalid duration 'x'"),
        (["diff", "missing.actx", "x"], "missing.actx: No such file"),
    ],
)
def test_usage_errors_say_what_to_do(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a traceback."""
    code = call(*words)
    printed_lines = capsys.readouterr().err

    assert code == 2
    assert says in printed_lines
    assert "Traceback" not in printed_lines


def test_diff_compares_two_recordings(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Equal recordings do not fail."""
    code = call("diff", "--exit-code", recording, recording)

    assert code == 0
    assert capsys.readouterr().out == "No difference that is more than noise.\n"


def test_reading_in_batches_gives_the_same_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With acquisitions of several tasks that cross segments."""
    path = tmp_path / "long.actx"
    writer = recorder(path)
    define_names(writer)
    writer.task_defined(5, 2, "worker-2", "asyncio", 0, "MainThread")
    for number in range(1, 2_001):
        task = number % 2 + 1
        writer.enter_started(1_000 * number, number, 0, task, 1, LOCK, 1)
        writer.enter_ended(1_000 * number + 1_500, number, OK, None)
        writer.exit_started(1_000 * number + 2_000, number, task, OK, None)
        writer.exit_ended(1_000 * number + 2_400, number, OK, False, None)
    writer.close()
    result = []
    for piece in (1, 1_000):
        monkeypatch.setattr(loading, "_BATCH", piece)
        out = StringIO()
        print_report(path, out, format_="json")
        result.append(out.getvalue())

    assert result[0] == result[1]
    assert json.loads(result[0])["resources"][0]["acquisitions"] == 2_000
