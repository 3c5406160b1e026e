"""A traced program differs from an untraced one only by its recording.

Each script runs both ways as a child process; output, exit code and traceback text are compared,
and how many acquisitions were seen: a tracer that traces nothing would pass as well.
"""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from instrument.programs import both_ways
from instrument.scripts import MANAGER, SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_the_same_both_ways(name: str, tmp_path: Path) -> None:
    """Output, traceback text and exit code."""
    body, expected = SCRIPTS[name]
    if name == "a debugger and a profiler" and sys.version_info < (3, 12):
        pytest.skip(
            "CPython 3.11 shows its tracers the frames of our marks (see hidden_frames.hidden)"
        )
    (tmp_path / "script.py").write_text(MANAGER + dedent(body))

    traced = both_ways(tmp_path, "script.py", "argument")

    assert traced.acquisitions == expected if expected is not None else traced.acquisitions


def test_a_syntax_error_is_the_interpreters_own(tmp_path: Path) -> None:
    """In the script and in a module that it imports."""
    (tmp_path / "broken.py").write_text("async with x: pass\n")
    (tmp_path / "script.py").write_text("import broken\n")

    assert both_ways(tmp_path, "script.py").acquisitions == 0
    assert both_ways(tmp_path, "broken.py").acquisitions == 0


def test_an_interrupt_passes_untouched(tmp_path: Path) -> None:
    """A body raises KeyboardInterrupt or SystemExit."""
    script = """
        import signal
        async def main():
            async with M("outer"):
                signal.raise_signal(signal.SIGINT)
                await asyncio.sleep(10)
        try: asyncio.run(main())
        except KeyboardInterrupt: traceback.print_exc()
        async def leaving():
            async with M("leaving"): raise SystemExit(7)
        asyncio.run(leaving())
    """
    (tmp_path / "script.py").write_text(MANAGER + dedent(script))

    assert both_ways(tmp_path, "script.py").ended == 2
