"""Programs that are started, stopped or left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import Recording, read
from asyncctx_trace_tui.run.launcher import Program

TIMEOUT = 60.0
"""Seconds after which a test fails."""

COUNTER = """
import sys, time
from pathlib import Path
for number in range(int(sys.argv[2])):
    print("line", number, flush=True)
    if number == 3:
        print("no line end", end="", flush=True)
        Path(sys.argv[1], "started").touch()
        while not Path(sys.argv[1], "go").exists():
            time.sleep(0.01)
        print(file=sys.stderr)
print("last", file=sys.stderr)
"""

LEAVE = """
import sys, time
from pathlib import Path
from asyncctx_trace_tui.run.launcher import Program

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    keep = sys.argv[2] or None
    arguments = ["counter.py", sys.argv[1], "1000"]
    program = Program(arguments, folder / "x.actx", captured=True, keep=keep)
    while not (folder / "started").exists():
        time.sleep(0.01)
    program.leave_running()
    assert program.stop() == 0
    print(program.pid)
"""


def wait_for_end(recording: Path) -> Timeline:
    """Wait until no process writes to a recording any more, and return its timeline."""
    until = time.monotonic() + TIMEOUT
    with Recording(recording) as opened:
        opened.poll()
        while opened.alive:
            assert time.monotonic() < until, "the program or its keeper is still running"
            time.sleep(0.05)
            opened.poll()
    return Timeline(read(recording))


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX pipes")
@pytest.mark.parametrize("keep", ["", "100MB"])
def test_a_program_left_running_is_recorded_to_its_end(tmp_path: Path, keep: str) -> None:
    """Each line of output once and in order, although the launcher has ended meanwhile."""
    (tmp_path / "counter.py").write_text(COUNTER)
    launcher = subprocess.run(
        [sys.executable, "-c", LEAVE, tmp_path, keep],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    pid = int(launcher.stdout)
    os.kill(pid, 0)  # it still runs
    (tmp_path / "go").touch()
    timeline = wait_for_end(tmp_path / "x.actx")

    printed = [line.text for line in timeline.printed if line.stream == "stdout"]
    errors = [line.text for line in timeline.printed if line.stream == "stderr"]
    # A line that was incomplete when the launcher left is recorded in two parts.
    assert "\n".join(printed).replace("no line end\n", "no line end") == "\n".join(
        ("no line end" if number == 4 else "") + f"line {number}" for number in range(1000)
    )
    assert errors == ["", "last"]
    assert pid in {ended.pid for ended in timeline.process_ended}


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX pipes")
def test_a_program_that_cannot_be_left_running_is_still_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says why."""
    (tmp_path / "counter.py").write_text(COUNTER)
    arguments = [str(tmp_path / "counter.py"), str(tmp_path), "10"]
    program = Program(arguments, tmp_path / "x.actx", captured=True)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/no/such/python")
        with pytest.raises(OSError, match="/no/such/python"):
            program.leave_running()
    (tmp_path / "go").touch()
    code = program.wait(TIMEOUT)

    assert code == 0
    assert not program.left_running
    lines = [line.text for line in Timeline(read(program.recording)).printed]
    assert lines[-1] == "last" or "line 9" in lines[-1]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_program_left_running_can_be_killed(tmp_path: Path) -> None:
    """The recording says that it has ended."""
    (tmp_path / "counter.py").write_text(COUNTER)
    launcher = subprocess.run(
        [sys.executable, "-c", LEAVE, tmp_path, ""],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    pid = int(launcher.stdout)
    os.kill(pid, signal.SIGKILL)
    timeline = wait_for_end(tmp_path / "x.actx")

    assert pid in {ended.pid for ended in timeline.process_ended}
    assert [line.text for line in timeline.printed][:4] == [f"line {n}" for n in range(4)]


def test_a_stopped_program_leaves_no_process(tmp_path: Path) -> None:
    """Neither itself nor a child that ignores signals."""
    source = """
import signal, subprocess, sys, time
child = "import signal, time; signal.signal(2, signal.SIG_IGN); time.sleep(99)"
print(subprocess.Popen([sys.executable, "-c", child]).pid, flush=True)
time.sleep(99)
"""
    program = Program(["-c", source], tmp_path / "x.actx", captured=True)
    with Recording(program.recording) as recording:
        timeline = Timeline()
        while not timeline.printed:
            timeline.extend(recording.poll())
            time.sleep(0.01)
    child = int(timeline.printed[0].text)

    code = program.stop()

    assert code == -signal.SIGINT
    until = time.monotonic() + TIMEOUT
    while _runs(child):
        assert time.monotonic() < until


def _runs(pid: int) -> bool:
    """Return whether a process runs; one that its parent has not waited for does not."""
    status = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return status.stdout.strip()[:1] not in ("", "Z")
