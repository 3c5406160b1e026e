"""Threads that end while they hold a lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.findings.child_programs import findings_of
from asyncctx_trace.native import extension

pytestmark = pytest.mark.skipif(
    extension("asyncctx_trace.instrument") is None, reason="locks of threads need native code"
)

TAKES = """
global lock
lock = threading.Lock()
def take():
    lock.acquire()
def give():
    lock.release()
thread = threading.Thread(target=take, name="taker")
thread.start()
thread.join()
"""


@pytest.mark.parametrize("after", ["del thread", "kept = thread"])
def test_a_thread_that_ends_while_it_holds_a_lock_has_leaked_it(tmp_path: Path, after: str) -> None:
    """Whether its object is collected or not; whoever asks for the lock is a consequence."""
    (leak,) = (
        each
        for each in findings_of(tmp_path, TAKES + after + "\nlock.acquire(timeout=0.01)")
        if each.kind == "leak"
    )

    assert "entered by taker (no task) and never exited: its thread has ended" in leak.summary


def test_a_lock_that_another_thread_releases_is_not_leaked(tmp_path: Path) -> None:
    """Any thread may release a ``threading.Lock``."""
    gives = "\nthread = threading.Thread(target=give)\nthread.start()\nthread.join()\ndel thread"

    assert [each for each in findings_of(tmp_path, TAKES + gives) if each.kind == "leak"] == []
