"""A small HTTP service and its clients in one process: prints requests per second of CPU and wall.

Each request takes a semaphore and a lock, has a deadline, and closes its connection in order:
some five acquisitions, as services have them.
"""

import asyncio
import json
import sys
import time
from contextlib import asynccontextmanager

REQUESTS = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000
CLIENTS = 20


class Service:
    """Answers with the number of the request."""

    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(8)
        self.lock = asyncio.Lock()
        self.served = 0

    @asynccontextmanager
    async def session(self):
        async with self.slots:
            yield self

    async def handle(self, reader, writer):
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
        rows = [{"id": n, "name": f"row {n}", "path": request.decode()} for n in range(40)]
        async with self.lock:
            self.served += 1
        return json.dumps(rows).encode()


async def client(port: int, requests: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(requests):
        writer.write(b"GET /rows HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
    writer.close()


async def main() -> None:
    service = Service()
    server = await asyncio.start_server(service.handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client(port, REQUESTS // CLIENTS) for _ in range(CLIENTS)))
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(json.dumps({"per_second": service.served / wall, "cpu_each": cpu / service.served}))
    server.close()


asyncio.run(main())
