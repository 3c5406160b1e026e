"""A PostgreSQL to play with: the one that ``ASYNCCTX_PG_DSN`` names, or a private one.

The private server is the work of ``_postgres_server.py``, which runs beside the scenario as a
process of its own: so somebody is left to tidy up even after ``kill -9`` of the scenario.
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
    """There is no server to be had; ends the program with one line that says why."""


@asynccontextmanager
async def postgres() -> AsyncIterator[str]:
    """The DSN of a server that answers; a private one is gone afterwards, with all its data."""
    dsn = os.environ.get(DSN)
    if dsn:
        await _try(dsn)
        yield dsn
        return
    keeper = await asyncio.create_subprocess_exec(
        # Isolated: the keeper is no part of the program, and nobody's tracer or test tool.
        *(sys.executable, "-I", "-S", str(KEEPER), *sys.path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Ctrl-C is meant for the scenario, which then lets go of the keeper.
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
        keeper.stdin.close()  # this lets go of it, as our death would
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
