"""The interpreter does not crash under the tracer together with other tools.

Each program runs in a process of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from asyncctx_trace.native import PURE

PROGRAM = Path(__file__).with_name("every_construct.py")
WAYS = ["alone", "threads", "settrace", "setprofile", "collector", "recursion"]
if sys.version_info >= (3, 12):
    WAYS.append("monitoring")


@pytest.fixture(params=["compiled", "pure"])
def pure(request: pytest.FixtureRequest) -> str:
    """The values of ASYNCCTX_TRACE_PURE."""
    return "" if request.param == "compiled" else "1"


def run(folder: Path, *words: str, stdin: str = "", **variables: str) -> str:
    """Return the output of a traced program and its interpreter."""
    command = [sys.executable, "-m", "asyncctx_trace_tui", "run", "-q", "--overwrite", "-o"]
    done = subprocess.run(
        [*command, str(folder / "run.actx"), *words],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
        cwd=folder,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("how", WAYS)
def test_a_program_comes_to_its_end(how: str, pure: str, tmp_path: Path) -> None:
    """With every kind of tool, and with failures everywhere."""
    assert run(tmp_path, str(PROGRAM), how, **{PURE: pure}) == "came to its end\n"


@pytest.mark.parametrize(
    "variables",
    [{"PYTHONDEVMODE": "1"}, {"PYTHONMALLOC": "debug"}, {"PYTHONASYNCIODEBUG": "1"}],
    ids=lambda variables: next(iter(variables)),
)
def test_an_interpreter_that_checks_more(
    variables: dict[str, str], pure: str, tmp_path: Path
) -> None:
    """Development mode, an allocator that marks freed memory, asyncio's debug mode."""
    output = run(tmp_path, str(PROGRAM), "settrace", **{PURE: pure}, **variables)

    assert "came to its end\n" in output
    assert "Fatal" not in output


@pytest.mark.parametrize("command", ["next", "step"])
def test_a_debugger_steps_through(command: str, pure: str, tmp_path: Path) -> None:
    """From a breakpoint on, over enters, exits and errors: it shows what it shows untraced."""
    script = """
        import asyncio
        class M:
            async def __aenter__(self): return self
            async def __aexit__(self, *exc): return True
        async def main():
            breakpoint()
            async with M():
                raise ValueError
            import imported
            async with M():
                return "came to its end"
        print(asyncio.run(main()))
    """
    (tmp_path / "app.py").write_text(dedent(script))
    (tmp_path / "imported.py").write_text("async def f(m):\n    async with m: pass\n")
    commands = f"{command}\n" * 15 + "continue\n"
    plain = subprocess.run(
        [sys.executable, "app.py"],
        input=commands,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )

    output = run(tmp_path, "app.py", stdin=commands, **{PURE: pure})

    assert "came to its end" in output
    if sys.version_info >= (3, 12) or not pure:
        # On stderr is what bdb of CPython 3.15 says of callbacks after its own modules are gone.
        shown = [re.sub("x[0-9a-f]{6,}", "?", text) for text in (output, plain.stdout)]
        assert shown[0].startswith(shown[1])


@pytest.mark.skipif(sys.version_info < (3, 14), reason="interpreters in the library since 3.14")
def test_an_interpreter_within_the_interpreter(pure: str, tmp_path: Path) -> None:
    """A subinterpreter has state of its own, which native code must not touch."""
    script = """
        import asyncio
        from concurrent import interpreters
        class M:
            async def __aenter__(self): return self
            async def __aexit__(self, *exc): return None
        async def main():
            async with M(): pass
        asyncio.run(main())
        inner = interpreters.create()
        inner.exec("import asyncio; asyncio.run(asyncio.sleep(0))")
        inner.close()
        asyncio.run(main())
        print("came to its end")
    """
    (tmp_path / "app.py").write_text(dedent(script))

    assert "came to its end" in run(tmp_path, "app.py", **{PURE: pure})


@pytest.mark.skipif(sys.version_info < (3, 15), reason="lazy imports are new in CPython 3.15")
def test_lazy_imports(pure: str, tmp_path: Path) -> None:
    """Modules of the program are imported while the first acquisition begins."""
    (tmp_path / "later.py").write_text(
        "class M:\n"
        + dedent("""\
            async def __aenter__(self): return self
            async def __aexit__(self, *exc): return None
        """).replace("async", "    async")
    )
    script = """
        lazy import asyncio
        lazy import later
        import sys
        sys.settrace(lambda *fact: None)
        async def main():
            async with later.M(): pass
        asyncio.run(main())
        print("came to its end")
    """
    (tmp_path / "app.py").write_text(dedent(script))

    assert "came to its end" in run(tmp_path, "app.py", **{PURE: pure})
