"""The memory of an app that runs for long."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

ARENAS = """
import ctypes, re, sys, threading
from asyncctx_trace_tui.app.heap import limit_heap

if sys.argv[1] == "limited":
    limit_heap()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
begun = threading.Barrier(8)

def work():
    begun.wait()
    blocks = [bytes(2000) for _ in range(1000)]
    begun.wait()

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
file = ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
print(open(sys.argv[2]).read().count("<heap nr="))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others have no arenas")
def test_threads_allocate_from_one_heap(tmp_path: object) -> None:
    """What one thread frees, the next one uses, so the app that follows a ring stays small."""
    limited, unlimited = (
        int(
            subprocess.run(
                [sys.executable, "-c", ARENAS, how, f"{tmp_path}/{how}.xml"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for how in ("limited", "as usual")
    )

    assert limited == 1 < unlimited
