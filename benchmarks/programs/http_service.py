"""A small HTTP service: prints its port, then answers until ``GET /end``.

    python benchmarks/programs/http_service.py [ROWS]

Each request takes a semaphore and a lock, has a deadline, and closes what it opened in order:
some five acquisitions, as services have them. In between it makes ``ROWS`` rows and serialises
them: 40 take about 150 µs, 600 about 1.5 ms. ``GET /begin`` starts its stopwatch; the answer of
``GET /end`` is JSON: requests served since, and seconds of CPU of the whole process.
"""

import asyncio
import json
import sys
import time
from contextlib import asynccontextmanager

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 40


class Service:
    """Answers with rows."""

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(8)
        self.lock = asyncio.Lock()
        self.served = 0
        self.began = 0.0
        self.ended = asyncio.Event()

    @asynccontextmanager
    async def session(self):
        async with self.slots:
            yield self

    async def handle(self, reader, writer):
        while request := await reader.readline():
            while (await reader.readline()).strip():
                pass
            path = request.split()[1]
            if path == b"/rows":
                async with asyncio.timeout(5), self.session():
                    body = await self.answer(request)
            else:
                body = self.control(path)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
        writer.close()

    async def answer(self, request: bytes) -> bytes:
        # What a service does between its locks: parse, look up, serialise.
        rows = [{"id": n, "name": f"row {n}", "path": request.decode()} for n in range(ROWS)]
        async with self.lock:
            self.served += 1
        return json.dumps(rows).encode()

    def control(self, path: bytes) -> bytes:
        if path == b"/begin":
            self.served, self.began = 0, time.process_time()
            return b"{}"
        self.ended.set()
        cpu = time.process_time() - self.began
        return json.dumps({"served": self.served, "cpu": cpu}).encode()


async def main() -> None:
    service = Service()
    server = await asyncio.start_server(service.handle, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await service.ended.wait()
    await asyncio.sleep(0.05)  # the answer is on its way
    server.close()


asyncio.run(main())
