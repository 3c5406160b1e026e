"""The steps of docs/tutorial.md do what the page says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from asyncctx_trace.analysis.timeline.table import Timeline
from asyncctx_trace.recording.reading.reader import read

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text("utf-8")
PROGRAM, NAMED, FIXED, _ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
[ANSWER] = re.findall(r"```text\n(.*?)\n```", PAGE, re.DOTALL)
[CHECK] = re.findall(r"^    asyncctx-trace (run .* --fail-on .*)$", PAGE, re.MULTILINE)


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "asyncctx_trace_tui", *words]
    return subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def fixed(program: str) -> str:
    """Return the program with the function of the section on the fix."""
    function = re.compile(r"async def transfer.*?(?=\n\n\n)", re.DOTALL)
    return function.sub(FIXED.rstrip(), program)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another thing there")
def test_the_program_that_hangs_is_explained_while_it_hangs(tmp_path: Path) -> None:
    (tmp_path / "transfers.py").write_text(PROGRAM)

    with started(tmp_path, "run", "--headless", "-o", "run.actx", "transfers.py") as running:
        assert running.stderr is not None
        said = running.stderr.readline()
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does
        _, rest = running.communicate(timeout=60)

    assert said.split() == ANSWER.split()
    assert "Interrupted" in rest
    assert "deadlock (certain)" in rest


def test_the_fixed_program_passes_the_check(tmp_path: Path) -> None:
    (tmp_path / "transfers.py").write_text(fixed(PROGRAM))

    words = CHECK.replace("transfers.py", "-o run.actx transfers.py").split()
    checked = started(tmp_path, *words)
    _, said = checked.communicate(timeout=60)

    assert checked.returncode == 0, said


def test_locks_taken_in_different_orders_fail_the_check_without_a_hang(tmp_path: Path) -> None:
    """The two transfers of this program never meet."""
    apart = PROGRAM.replace(
        '        tasks.create_task(transfer("bert"',
        '        await asyncio.sleep(0.5)\n        tasks.create_task(transfer("bert"',
    )
    (tmp_path / "transfers.py").write_text(apart)

    words = CHECK.replace("transfers.py", "-o run.actx transfers.py").split()
    checked = started(tmp_path, *words)
    _, said = checked.communicate(timeout=60)

    assert checked.returncode == 1
    assert "lock-order-inversion" in said


def test_the_names_given_in_the_tutorial_are_recorded(tmp_path: Path) -> None:
    plain = re.compile(r"^accounts = .*$", re.MULTILINE)
    imported, _, named = NAMED.partition("\n\n")
    (tmp_path / "transfers.py").write_text(
        f"{imported}\n{plain.sub(named.strip(), fixed(PROGRAM))}"
    )

    done = started(tmp_path, "run", "--quiet", "-o", "run.actx", "transfers.py")
    done.communicate(timeout=60)

    names = {resource.name for resource in Timeline(read(tmp_path / "run.actx")).resources.values()}
    assert {"account of anna", "account of bert"} <= names
