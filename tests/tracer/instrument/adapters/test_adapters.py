"""The table of managers known by name, with the libraries that are here and with a user's own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from asyncctx_trace import Adapter, Pair, register_adapter, traced
from asyncctx_trace.instrument.adapters import adapter_for, built_in
from instrument.event_log import log_events


@pytest.mark.parametrize("adapter", built_in(), ids=lambda adapter: adapter.manager)
def test_an_entry_names_a_class_that_is_there(adapter: Adapter) -> None:
    """For each library that is installed."""
    package = adapter.manager.partition(".")[0]
    try:
        import_module(package)
    except ImportError as error:  # not installed, or a library of the system's is missing
        pytest.skip(f"{package} cannot be imported: {error}")
    found: Any = None
    words = adapter.manager.split(".")
    for index in range(len(words) - 1, 0, -1):
        try:
            found = import_module(".".join(words[:index]))
        except ImportError:
            continue
        for word in words[index:]:
            found = getattr(found, word, None)
        break
    if found is None and package in ("anyio", "httpx", "httpcore"):
        pytest.skip("where it was, or is, in another version")

    assert isinstance(found, type)
    assert adapter_for(found) is not None
    assert hasattr(found, "__aenter__") or adapter.checkout


@pytest.mark.parametrize("limit", [1, 3])
def test_the_primitives_of_asyncio_say_their_capacity(limit: int) -> None:
    """A lock has one holder, a semaphore as many as it was made for."""

    async def main() -> None:
        for thing in (
            traced(asyncio.Semaphore(limit)),
            traced(asyncio.BoundedSemaphore(limit)),
            traced(asyncio.Lock()),
        ):
            async with thing:
                pass

    with log_events() as received:
        asyncio.run(main())

    capacities = [capacity for _, _, capacity in received.resources.values()]
    assert capacities[-3:] == [limit, limit, 1]


def test_a_current_counter_is_not_a_capacity() -> None:
    """A semaphore first seen in use has the capacity it was made with, or an unknown one."""

    async def main() -> None:
        bounded, plain = asyncio.BoundedSemaphore(3), asyncio.Semaphore(3)
        async with bounded, plain, traced(bounded, name="bounded"), traced(plain, name="plain"):
            pass

    with log_events() as received:
        asyncio.run(main())

    assert ("semaphore", "bounded", 3) in received.resources.values()
    assert ("semaphore", "plain", None) in received.resources.values()


def test_a_condition_and_its_lock_are_one_resource() -> None:
    """A task that holds the lock keeps others from entering the condition."""

    async def main() -> None:
        lock = asyncio.Lock()
        condition = asyncio.Condition(lock)
        async with traced(condition, name="both"):
            pass
        async with traced(lock):
            pass

    with log_events() as received:
        asyncio.run(main())

    assert received.names == ["both", "both"]


class Cupboard:
    """A user's own pool, with a pair of methods."""

    size = 2

    async def take(self) -> Cup:
        return Cup(self)

    async def put(self, cup: Cup) -> None:
        await asyncio.sleep(0)


class Cup:
    def __init__(self, cupboard: Cupboard) -> None:
        self.cupboard = cupboard

    async def __aenter__(self) -> Cup:
        return self

    async def __aexit__(self, *exc: object) -> None: ...


def test_a_users_own_adapter_reads_resource_capacity_and_pair() -> None:
    """Many managers, one resource; also acquired by call."""
    here = __name__
    register_adapter(
        Adapter(
            f"{here}.Cup",
            "cupboard",
            resource=lambda cup: cup.cupboard,
            capacity=lambda cupboard: cupboard.size,
            pair=Pair(f"{here}.Cupboard.take", f"{here}.Cupboard.put", by_result=True),
        )
    )

    async def main() -> None:
        cupboard = Cupboard()
        async with traced(Cup(cupboard), name="cups"):
            one, two = await cupboard.take(), await cupboard.take()
            await cupboard.put(one)
            await cupboard.put(two)

    with log_events() as received:
        asyncio.run(main())

    assert ("cupboard", "cups", 2) in received.resources.values()
    assert received.names == ["cups"] * 3
    assert received.is_complete()


def test_an_installed_package_can_announce_adapters(tmp_path: Path) -> None:
    """By an entry point; one that cannot be loaded is logged and left out."""
    info = tmp_path / "acme-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[asyncctx_trace.adapters]\nacme = acme:ADAPTERS\nbroken = nowhere:ADAPTER\n"
    )
    (tmp_path / "acme.py").write_text(
        "from asyncctx_trace import Adapter\n"
        "ADAPTERS = [Adapter('acme.Door', 'door')]\n"
        "class Door: pass\n"
    )
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import acme\n"
        "from asyncctx_trace.instrument.adapters import adapter_for\n"
        "print(adapter_for(acme.Door).kind)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=240, check=False
    )

    assert done.stdout == "door\n"
    assert "cannot load the adapter nowhere:ADAPTER" in done.stderr


def test_real_files_and_sessions_are_known(tmp_path: Path) -> None:
    """aiofiles, both ways in which its files are opened, and aiohttp's session."""
    aiofiles = pytest.importorskip("aiofiles")
    aiohttp = pytest.importorskip("aiohttp")
    path = tmp_path / "file"

    async def main() -> str:
        async with traced(aiofiles.open(path, "w")) as file:
            await file.write("text")
        async with traced(aiohttp.ClientSession(), name="http") as session:
            assert not session.closed
        opened = await traced(aiofiles.open(path))
        try:
            return str(await opened.read())
        finally:
            await opened.close()

    with log_events() as received:
        text = asyncio.run(main())

    assert text == "text"
    assert [kind for kind, _, _ in received.resources.values()][-2:] == ["file", "session"]
    assert received.is_complete()
