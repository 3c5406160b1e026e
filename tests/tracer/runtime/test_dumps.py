"""Programs write dumps, as they are asked to on the command line, in settings, or by a call."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from asyncctx_trace import AsyncctxTraceError, dump, record, traced
from asyncctx_trace.analysis.findings import find
from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.native import extension
from asyncctx_trace.recording.reading.reader import read

ROOT = Path(__file__).parents[3]
TIMEOUT = 60

UNTIL_DUMPED = """
    import asyncio, pathlib, sys

    async def until_dumped(folder):
        while not list(pathlib.Path(folder).glob("*.actx")):
            await asyncio.sleep(0.01)
"""

LONG_WAIT = """
    async def holder(lock):
        async with lock:
            await until_dumped("a.dumps")

    async def waiter(lock):
        async with lock:
            pass

    async def main():
        lock = asyncio.Lock()
        await asyncio.gather(holder(lock), waiter(lock))

    asyncio.run(main())
"""

DEADLOCK = """
    import signal

    async def use(first, second, both):
        async with first:
            await both.wait()
            async with second:
                pass

    async def main():
        orders, stock, both = asyncio.Lock(), asyncio.Lock(), asyncio.Barrier(2)
        print("begun", flush=True)
        await asyncio.gather(use(orders, stock, both), use(stock, orders, both))

    asyncio.run(main())
"""


def program(folder: Path, source: str) -> None:
    (folder / "app.py").write_text(dedent(UNTIL_DUMPED) + dedent(source))


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "asyncctx_trace_tui", *words]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words), cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


def the_dump(folder: Path) -> Path:
    (path,) = (folder / "a.dumps").glob("*.actx")
    return path


def test_run_writes_a_dump_and_the_report_says_why(tmp_path: Path) -> None:
    """The waiting task is still waiting in it: it is no leak, and nobody was killed."""
    program(tmp_path, LONG_WAIT)

    ended = run(
        tmp_path, "run", "--headless", "-o", "a.actx",
        "--on", "wait(lo*)>200ms", "--after", "0s", "app.py",
    )  # fmt: skip

    path = the_dump(tmp_path)
    assert ended.returncode == 0
    assert f"dump: {path.relative_to(tmp_path)}" in ended.stderr
    report = run(tmp_path, "report", str(path)).stdout
    assert report.startswith("Dump for wait(lo*)>200ms at 20")
    assert "has waited" in report.splitlines()[0]
    timeline = Timeline(read(path))
    assert [timeline.resources[timeline.resource[row]].name for row in timeline.in_flight] == [
        "lock",
        "lock",
    ]
    assert "leak" not in {finding.kind for finding in find(timeline)}


def test_the_settings_of_a_project_have_the_same_effect(tmp_path: Path) -> None:
    """Without an option on the command line; the JSON report says why it was written."""
    program(tmp_path, LONG_WAIT)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.asyncctx-trace]\nkeep = "5MB"\non = ["wait>200ms"]\nafter = "0s"\n'
    )

    assert run(tmp_path, "run", "--headless", "-q", "-o", "a.actx", "app.py").returncode == 0

    report = run(tmp_path, "report", "--format", "json", str(the_dump(tmp_path))).stdout
    assert '"trigger": "wait>200ms"' in report


@pytest.mark.skipif(not hasattr(signal, "SIGUSR2"), reason="there is no such signal")
def test_a_signal_shows_what_a_program_hangs_in(tmp_path: Path) -> None:
    """It hangs for good, and is ended afterwards; the deadlock is in the dump."""
    program(tmp_path, DEADLOCK)
    words = ("run", "--headless", "-q", "-o", "a.actx", "--on", "SIGUSR2", "--on", "deadlock")
    started = subprocess.Popen(
        command(*words, "--after", "0s", "app.py"), cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "begun\n"
    (pid,) = {each.pid for each in Timeline(read(tmp_path / "a.actx")).processes.values()} - {
        started.pid
    }
    while len(list((tmp_path / "a.dumps").glob("*deadlock*.actx"))) < 1:
        assert started.poll() is None
    os.kill(pid, signal.SIGUSR2)
    while len(list((tmp_path / "a.dumps").glob("*SIGUSR2*.actx"))) < 1:
        assert started.poll() is None
    started.terminate()
    started.communicate(timeout=TIMEOUT)

    for path in (tmp_path / "a.dumps").glob("*.actx"):
        kinds = {(f.kind, f.certainty) for f in find(Timeline(read(path)))}
        assert ("deadlock", "certain") in kinds
    assert len(list((tmp_path / "a.dumps").iterdir())) == 2


def test_a_wrong_trigger_is_refused_before_the_program_starts(tmp_path: Path) -> None:
    """In one line, which says how it is written."""
    program(tmp_path, "print('started')")

    ended = run(tmp_path, "run", "--headless", "-o", "a.actx", "--on", "wiat>2s", "app.py")

    assert ended.returncode != 0
    assert "did you mean 'wait'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_the_asgi_application_in_the_documentation_writes_a_dump(tmp_path: Path) -> None:
    """Once: the second time it says that there were too many."""
    page = (ROOT / "docs" / "always-on.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    source = next(block for block in blocks if "def dump_endpoint" in block)
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    answers: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    async def serve() -> None:
        async with traced(asyncio.Lock(), name="db lock"):
            for _ in range(2):
                await namespace["dump_endpoint"]({"type": "http"}, None, send)

    with record(tmp_path / "a.actx", keep="5MB"):
        asyncio.run(serve())

    path = the_dump(tmp_path)
    assert [answer["status"] for answer in answers[::2]] == [202, 429]
    assert answers[1]["body"] == f"{path}\n".encode()
    note = Timeline(read(path)).dump
    assert note is not None
    assert (note.trigger, note.reason) == ("call", "asked for over HTTP")


def test_dump_does_nothing_without_a_ring(tmp_path: Path) -> None:
    """A library may call it whether the program is recorded or not."""
    assert dump("why") is None
    with record(tmp_path / "a.actx"):
        assert dump("why") is None


def test_dump_writes_while_the_program_runs(tmp_path: Path) -> None:
    """Without any other condition, and from a thread."""
    paths: list[Path | None] = []
    with record(tmp_path / "a.actx", keep="5MB", after="0s"):
        thread = threading.Thread(target=lambda: paths.append(dump("why")))
        thread.start()
        thread.join()
        assert paths[0] is not None
        while not paths[0].exists():
            pass

    assert Timeline(read(paths[0])).dump is not None


def test_a_handler_of_the_program_is_called_as_well_and_restored(tmp_path: Path) -> None:
    """The signal is still the program's."""
    seen: list[int] = []

    def handler(number: int, _: object) -> None:
        seen.append(number)

    before = signal.signal(signal.SIGUSR2, handler)
    try:
        with record(tmp_path / "a.actx", on=["SIGUSR2"], after="0s"):
            os.kill(os.getpid(), signal.SIGUSR2)
        assert signal.getsignal(signal.SIGUSR2) is handler
    finally:
        signal.signal(signal.SIGUSR2, before)

    assert seen == [signal.SIGUSR2]
    assert Timeline(read(the_dump(tmp_path))).dump is not None


def test_conditions_that_cannot_be_noticed_are_refused(tmp_path: Path) -> None:
    """Before a file is created."""
    with pytest.raises(AsyncctxTraceError, match="lag>200ms needs"):
        record(tmp_path / "a.actx", on=["lag>200ms"]).__enter__()
    refused: list[str] = []

    def on_a_thread() -> None:
        try:
            record(tmp_path / "a.actx", on=["SIGUSR2"]).__enter__()
        except AsyncctxTraceError as error:
            refused.append(str(error))

    thread = threading.Thread(target=on_a_thread)
    thread.start()
    thread.join()

    assert "needs the main thread" in refused[0]
    assert not (tmp_path / "a.actx").exists()


@pytest.mark.skipif(
    extension("asyncctx_trace.instrument") is None, reason="loops are watched by native code only"
)
def test_a_blocked_loop_is_noticed_while_it_is_blocked(tmp_path: Path) -> None:
    """A callback that computes until the dump is there."""
    program(
        tmp_path,
        """
        async def main():
            folder = pathlib.Path("a.dumps")
            while not list(folder.glob("*.actx")):
                pass

        asyncio.run(main())
        """,
    )

    ended = run(
        tmp_path, "run", "--headless", "-q", "-o", "a.actx",
        "--on", "lag>200ms", "--after", "0s", "app.py",
    )  # fmt: skip

    note = Timeline(read(the_dump(tmp_path))).dump
    assert ended.returncode == 0
    assert note is not None
    assert "a callback has blocked the event loop" in note.reason


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_writes_dumps_of_its_own(tmp_path: Path) -> None:
    """And the parent goes on to write its."""
    program(
        tmp_path,
        """
        import os
        from asyncctx_trace import dump, record

        with record("a.actx", keep="5MB", on=["wait>1h"], after="0s"):
            child = os.fork()
            if not child:
                path = dump("of the child")
                while not path.exists():
                    pass
                os._exit(0)
            os.waitpid(child, 0)
            path = dump("of the parent")
        """,
    )

    subprocess.run([sys.executable, "app.py"], cwd=tmp_path, timeout=TIMEOUT, check=True)

    notes = [Timeline(read(path)).dump for path in (tmp_path / "a.dumps").glob("*.actx")]
    assert sorted(note.reason for note in notes if note) == ["of the child", "of the parent"]
    assert len({note.pid for note in notes if note}) == 2


def test_a_sample_says_so_and_its_report_has_estimates_with_errors(tmp_path: Path) -> None:
    """Of 500 short acquisitions, one in 20 is kept; attributed waits are left out."""
    program(
        tmp_path,
        """
        async def main():
            lock = asyncio.Lock()
            for _ in range(500):
                async with lock:
                    pass

        asyncio.run(main())
        """,
    )

    ended = run(tmp_path, "run", "--headless", "-q", "-o", "a.actx", "--sample", "1/20", "app.py")

    (path,) = (tmp_path / "a.samples").glob("*.actx")
    text = run(tmp_path, "report", str(path)).stdout
    assert ended.returncode == 0
    assert text.startswith("Sample of ")
    assert "one in 20 of those that took at most 10.0 ms and ended well is kept" in " ".join(
        text.split()
    )
    assert "Estimates for all acquisitions, with standard errors" in text
    assert " ± " in text
    assert "in all, 100 % of the total" not in text
    data = json.loads(run(tmp_path, "report", "--format", "json", str(path)).stdout)
    (lock,) = [each for each in data["sampled"] if each["resource"]["name"] == "lock"]
    assert lock["kept"] < 100
    assert abs(lock["acquisitions"] - 500) < 6 * lock["acquisitions_error"]
