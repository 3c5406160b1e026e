"""The watchdog of event loops leaves the program alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = [sys.executable, "-m", "asyncctx_trace_tui", "run", "--headless", "-q", "-o"]

FORKS = """
import asyncio, os, warnings
warnings.simplefilter("error")

async def main():
    await asyncio.sleep(0.05)
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)

asyncio.run(main())
"""

MANY_LOOPS = """
import asyncio, threading

def run():
    for _ in range(50):
        asyncio.run(asyncio.sleep(0))

threads = [threading.Thread(target=run) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(threading.active_count())
"""


def run(folder: Path, source: str) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of a program that is recorded."""
    script = folder / "app.py"
    script.write_text(source)
    ended = subprocess.run(
        [*RUN, str(folder / "app.actx"), str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_within_a_loop_warns_of_no_thread(tmp_path: Path) -> None:
    """The interpreter counts threads at a fork, and the watchdog is one."""
    assert run(tmp_path, FORKS) == (0, "", "")


def test_loops_of_many_threads_start_and_end_at_the_same_time(tmp_path: Path) -> None:
    """And `threading` lists no thread but the program's."""
    assert run(tmp_path, MANY_LOOPS) == (0, "1\n", "")
