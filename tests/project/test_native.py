"""The hot path is native code where a compiler is, and Python where none is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from asyncctx_trace import native
from asyncctx_trace.native import ACCELERATED, PURE
from asyncctx_trace.recording import format as recording_format

CHECKOUT = Path(__file__).parents[2]
INSTRUMENT = "asyncctx_trace.instrument"
PRINT_ORIGINS = (
    "from asyncctx_trace.instrument import publish;"
    "from asyncctx_trace.instrument.rewriting import hooks;"
    "from asyncctx_trace.recording.writing import append;"
    "print(publish.Acquisition.__module__, hooks.Exit.__module__, append.RecordAppender.__module__)"
)
PRINT_STATUS = "import asyncctx_trace.native; print(asyncctx_trace.native.status())"


def python(code: str, **variables: str) -> tuple[str, str]:
    """Return what a fresh interpreter prints, and what it writes to standard error."""
    environment = {k: v for k, v in os.environ.items() if k != PURE}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**environment, **variables},
    )
    return done.stdout.strip(), done.stderr


def wheel(folder: Path, **variables: str) -> list[str]:
    """Return the name of a wheel of this checkout, and the files in it."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    environment = {**os.environ, **variables}
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, env=environment)
    [built] = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return [built.name, *archive.namelist()]


def require_compiler() -> None:
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if not shutil.which(os.environ.get("CC", compiler)):
        pytest.skip("there is no compiler here")


def test_native_code_is_used_where_a_compiler_is() -> None:
    """Otherwise everything would be measured, and tested, on the Python code alone."""
    require_compiler()

    origins, _ = python(PRINT_ORIGINS)
    assert set(origins.split()) == {f"{INSTRUMENT}._native", "asyncctx_trace.recording._native"}
    assert python(PRINT_STATUS) == ("native code", "")


def test_an_environment_variable_declines_it() -> None:
    origins, _ = python(PRINT_ORIGINS, **{PURE: "1"})
    assert set(origins.split()) == {
        f"{INSTRUMENT}.publish",
        f"{INSTRUMENT}.rewriting.hooks",
        "asyncctx_trace.recording.writing.append",
    }
    assert python(PRINT_STATUS, **{PURE: "1"}) == (f"pure Python: {PURE} is set", "")


def test_without_a_compiler_the_wheel_is_pure(tmp_path: Path) -> None:
    """It serves every interpreter, and contains neither extensions nor their sources."""
    name, *files = wheel(tmp_path, CC=str(tmp_path / "no-such-compiler"))

    assert name.endswith("-py3-none-any.whl")
    assert not [file for file in files if "_native." in file and not file.endswith(".pyi")]
    assert not [file for file in files if file.endswith((".c", ".h"))]


def test_the_table_lists_exactly_what_the_extension_implements() -> None:
    extension = native.extension(INSTRUMENT)
    if extension is None:
        pytest.skip("native code is not used here")

    assert sorted(extension.ACCELERATED) == sorted(ACCELERATED[INSTRUMENT])
    with pytest.raises(LookupError):
        extension.accelerate("publish.nothing", print)


def test_a_function_that_is_not_in_the_table_is_refused() -> None:
    def here() -> None: ...

    here.__module__ = f"{INSTRUMENT}.publish"

    with pytest.raises(LookupError, match=r"not in native\.ACCELERATED"):
        native.accelerated(here)


def test_bind_needs_every_table() -> None:
    extension = native.extension(INSTRUMENT)
    if extension is None:
        pytest.skip("native code is not used here")

    with pytest.raises(TypeError, match=r"bind.. needs active"):
        extension.bind()


def test_the_schema_has_the_version_of_the_format() -> None:
    assert recording_format.VERSION == native.FORMAT_VERSION


@pytest.mark.parametrize("source", ["instrument/native/publish.c", "recording/_native.c"])
def test_an_extension_that_is_older_than_its_sources_is_refused(
    tmp_path: Path, source: str
) -> None:
    """It says so once, and the program runs on Python code."""
    require_compiler()
    package = tmp_path / "asyncctx_trace"
    shutil.copytree(Path(native.__file__).parent, package)
    with (package / source).open("a") as file:
        file.write("/* changed */\n")

    status, errors = python(PRINT_STATUS, PYTHONPATH=str(tmp_path))

    assert "stale: its C sources have changed since it was compiled" in status
    assert errors.count("install asyncctx-trace again") == 1


def test_an_extension_with_another_schema_is_refused(tmp_path: Path) -> None:
    require_compiler()
    package = tmp_path / "asyncctx_trace"
    shutil.copytree(Path(native.__file__).parent, package)
    module = package / "native.py"
    module.write_text(module.read_text().replace("FORMAT_VERSION = ", "FORMAT_VERSION = 1000 + "))

    status, errors = python(PRINT_STATUS, PYTHONPATH=str(tmp_path))

    assert status == "pure Python: stale: compiled for another version"
    assert errors.count("install asyncctx-trace again") == 2
