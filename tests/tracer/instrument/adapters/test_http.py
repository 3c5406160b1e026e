"""aiohttp's and httpx's clients, with a server in the same program."""

from __future__ import annotations

from pathlib import Path

import pytest

from .recorded import recorded

SERVER = """
import asyncio, os
async def answer(reader, writer):
    try:
        while (head := await reader.readuntil(b"\\r\\n\\r\\n")):
            body = b"x" * (5_000_000 if b"/large" in head else 10)
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()
async def serve(work):
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
    await work(url)
    server.close()
"""


def aiohttp(folder: Path, source: str) -> list[tuple[str, int | None, str, str, bool]]:
    pytest.importorskip("aiohttp")
    run = recorded(folder, SERVER + "import aiohttp\n" + source + "\nasyncio.run(serve(work))\n")
    assert run.stdout == "done\n"
    return [
        (t.resource.rstrip("0123456789"), t.capacity, t.at, t.enter, t.left) for t in run.of("pool")
    ]


def test_an_open_response_holds_a_connection_of_the_connector(folder: Path) -> None:
    """Until it was read, released or closed."""
    taken = aiohttp(
        folder,
        """
async def work(url):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=2)) as session:
        async with session.get(url) as response:  # read
            await response.read()
        async with session.get(url + "/large"):  # left unread
            pass
        response = await session.get(url + "/large")  # released
        response.release()
        response = await session.get(url + "/large")  # closed
        response.close()
    print("done")
""",
    )

    assert taken == [
        ("aiohttp connector", 2, at, "ok", True)
        for at in ("read", "left unread", "released", "closed")
    ]


def test_requests_that_are_gathered_are_charged_to_that_line(folder: Path) -> None:
    """Their tasks are made of the library's coroutines and have no line of the program."""
    taken = aiohttp(
        folder,
        """
async def work(url):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=2)) as session:
        responses = await asyncio.gather(*(session.get(url) for _ in range(2)))  # gather
        task = asyncio.create_task(session.get(url))  # create_task
        for response in [*responses, await task]:
            await response.read()
    print("done")
""",
    )

    assert [(at, left) for _, _, at, _, left in taken] == [
        ("gather", True),
        ("gather", True),
        ("create_task", True),
    ]


def test_a_response_that_is_never_released_keeps_others_out(folder: Path) -> None:
    """The request that waits for the connection is in its enter."""
    taken = aiohttp(
        folder,
        """
async def work(url):
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1))
    response = await session.get(url + "/large")  # kept
    try:
        async with asyncio.timeout(0.1):
            await session.get(url)  # waits
    except TimeoutError:
        print("done", flush=True)
    os._exit(0)
""",
    )

    assert taken == [
        ("aiohttp connector", 1, "kept", "ok", False),
        ("aiohttp connector", 1, "waits", "cancelled", False),
    ]


def test_closing_the_session_gives_everything_back(folder: Path) -> None:
    """Also what was kept."""
    taken = aiohttp(
        folder,
        """
async def work(url):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=2)) as session:
        response = await session.get(url + "/large")  # kept
        async with session.get(url) as other:  # read
            await other.read()
    print("done")
""",
    )

    assert [(at, left) for _, _, at, _, left in taken] == [("kept", True), ("read", True)]


def test_a_limit_per_host_counts_for_each_host(folder: Path) -> None:
    """Where it is the narrower one."""
    taken = aiohttp(
        folder,
        """
async def work(url):
    narrow = aiohttp.TCPConnector(limit=9, limit_per_host=1)
    wide = aiohttp.TCPConnector(limit=1, limit_per_host=9)
    for connector in narrow, wide, aiohttp.TCPConnector(limit=0):
        async with aiohttp.ClientSession(connector=connector) as session:
            for at in url, url.replace("127.0.0.1", "localhost"):
                async with session.get(at) as response:  # get
                    await response.read()
    print("done")
""",
    )

    assert [(name, capacity) for name, capacity, *_ in taken] == [
        ("aiohttp connections to 127.0.0.1:", 1),
        ("aiohttp connections to localhost:", 1),
        ("aiohttp connector", 1),
        ("aiohttp connector", 1),
    ]


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_an_open_stream_holds_a_connection_of_httpx(folder: Path, library: str) -> None:
    """From the moment at which the pool assigned it, not the answer's, until it is closed."""
    pytest.importorskip(library)
    run = recorded(
        folder,
        SERVER
        + f"import {library} as httpx"
        + """
async def work(url):
    limits = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(limits=limits, timeout=httpx.Timeout(5, pool=0.1)) as client:
        await client.get(url)  # get
        async with client.stream("GET", url + "/large") as response:  # stream
            try:
                await client.get(url)  # waits
            except httpx.PoolTimeout:
                print("none")
        request = client.build_request("GET", url + "/large")
        response = await client.send(request, stream=True)  # kept
    os._exit(0)
asyncio.run(serve(work))
""",
    )

    assert [(t.at, t.enter, t.left) for t in run.of("pool")] == [
        ("get", "ok", True),
        ("stream", "ok", True),
        ("waits", "error", False),
        ("kept", "ok", False),
    ]
    assert {t.capacity for t in run.of("pool")} == {1}


def test_a_request_of_httpx_that_fails_gives_its_connection_back(folder: Path) -> None:
    """A refused connection, a cancelled request, no limit at all."""
    pytest.importorskip("httpx")
    run = recorded(
        folder,
        SERVER
        + "import httpx"
        + """
async def work(url):
    async with httpx.AsyncClient() as client:
        try:
            await client.get("http://127.0.0.1:1")  # refused
        except httpx.ConnectError:
            print("refused")
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=None)) as client:
        await client.get(url)  # no limit
asyncio.run(serve(work))
""",
    )

    assert [(t.at, t.enter, t.left) for t in run.of("pool")] == [("refused", "ok", True)]
    assert [t.at for t in run.of("unlimited pool")] == ["no limit"]
