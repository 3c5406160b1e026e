"""aiobotocore, whose client holds connections of an aiohttp connector."""

from __future__ import annotations

from pathlib import Path

import pytest

from .recorded import recorded
from .test_http import SERVER

pytest.importorskip("aiobotocore")


def test_a_body_that_is_not_read_keeps_its_connection(folder: Path) -> None:
    """At the program's line, though two libraries lie between."""
    run = recorded(
        folder,
        SERVER
        + """
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
async def work(url):
    options = dict(
        endpoint_url=url, region_name="eu-west-1", aws_access_key_id="k",
        aws_secret_access_key="s", config=AioConfig(max_pool_connections=1),
    )
    async with get_session().create_client("s3", **options) as client:
        got = await client.get_object(Bucket="b", Key="large")  # kept
        try:
            async with asyncio.timeout(0.2):
                await client.get_object(Bucket="b", Key="other")  # waits
        except TimeoutError:
            print("done", flush=True)
        os._exit(0)
asyncio.run(serve(work))
""",
    )

    assert run.stdout == "done\n"
    assert [(t.at, t.capacity, t.enter, t.left) for t in run.of("pool")] == [
        ("kept", 1, "ok", False),
        ("waits", 1, "cancelled", False),
    ]
