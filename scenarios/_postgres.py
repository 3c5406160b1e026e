"""A PostgreSQL for scenarios: the one that ``ASYNCCTX_PG_DSN`` names, or a private one.

The private server is run by ``_postgres_server.py``, in a process of its own beside the scenario,
which cleans up even after ``kill -9`` of the scenario.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

DSN = "ASYNCCTX_PG_DSN"
KEEPER = Path(__file__).with_name("_postgres_server.py")


class NoPostgres(SystemExit):
    """No server is available; ends the program with one line that says why."""


@asynccontextmanager
async def postgres() -> AsyncIterator[str]:
    """Yield the DSN of a running server; a private one is removed at the end."""
    dsn = os.environ.get(DSN)
    if dsn:
        await _try(dsn)
        yield dsn
        return
    keeper = await asyncio.create_subprocess_exec(
        # Isolated: the server's process is not part of the program, and must not be traced.
        *(sys.executable, "-I", "-S", str(KEEPER), *sys.path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Ctrl-C is meant for the scenario, which then closes the pipe.
        start_new_session=True,
    )
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    try:
        answer = json.loads(await keeper.stdout.readline() or "{}")
        if "dsn" not in answer:
            raise NoPostgres(answer.get("error", "the private PostgreSQL ended unexpectedly"))
        yield answer["dsn"]
    finally:
        keeper.stdin.close()  # it stops, as it would if this process died
        await keeper.wait()


async def _try(dsn: str) -> None:
    import asyncpg

    try:
        connection = await asyncpg.connect(dsn, timeout=5)
        await connection.close()
    except (
        OSError,
        TimeoutError,
        ValueError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
    ) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NoPostgres(
            f"{DSN} names a PostgreSQL that cannot be reached ({reason}): start it, correct {DSN}, "
            "or unset it to get a private server"
        ) from None
