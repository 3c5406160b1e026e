"""A small HTTP service: prints its port, then answers until its standard input ends.

    python benchmarks/programs/http_service.py [ROWS]

Each request takes a semaphore and a lock, has a deadline, and closes what it opened in order:
some five acquisitions, as services have them. In between it makes ``ROWS`` rows, sorts them and
serialises the first: 40 rows take some 60 µs, 4,000 some 1 ms. To each line on its standard
input it says in JSON: requests served since the last one, seconds of CPU of the process, bytes of
memory that are resident, and bytes of files in its folder.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from settling import settle

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 40
PAGE = 40


class Service:
    """Answers with rows."""

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(8)
        self.lock = asyncio.Lock()
        self.served = 0

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Service]:
        async with self.slots:
            yield self

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readline():
            while (await reader.readline()).strip():
                pass
            async with asyncio.timeout(5), self.session():
                body = await self.answer(request)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
        writer.close()

    async def answer(self, request: bytes) -> bytes:
        # What a service does between its locks: parse, look up, serialise.
        rows = [{"id": n, "name": f"row {n}", "path": request.decode()} for n in range(ROWS)]
        rows.sort(key=lambda row: str(row["name"]))
        async with self.lock:
            self.served += 1
        return json.dumps(rows[:PAGE]).encode()


def memory() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0


def disk() -> int:
    return sum(path.stat().st_size for path in Path().rglob("*") if path.is_file())


async def main() -> None:
    service = Service()
    server = await asyncio.start_server(service.handle, "127.0.0.1", 0)
    settle()
    print(server.sockets[0].getsockname()[1], flush=True)
    served, cpu = 0, 0.0
    while await asyncio.to_thread(sys.stdin.readline):
        now = service.served, time.process_time()
        sizes = {"memory": memory(), "disk": disk()}
        print(json.dumps({"served": now[0] - served, "cpu": now[1] - cpu, **sizes}), flush=True)
        served, cpu = now
    server.close()


asyncio.run(main())
