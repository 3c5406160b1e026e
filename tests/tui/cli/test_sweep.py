"""``asyncctx-trace sweep`` says where a cancellation loses something, and how to repeat it."""

from __future__ import annotations

from .conftest import Shell

LOSES_A_PERMIT = """
    import asyncio
    async def worker(permits):
        await permits.acquire()
        await asyncio.sleep(0.001)
        permits.release()
    async def main():
        await asyncio.wait([asyncio.create_task(worker(asyncio.Semaphore(2)))])
    asyncio.run(main())
"""


def test_each_loss_comes_with_the_command_that_repeats_it(shell: Shell) -> None:
    shell.write("app.py", LOSES_A_PERMIT)

    swept = shell.trace("sweep", "--with", "cancel", "-o", "out", "app.py")

    assert (swept.code, swept.err) == (1, "")
    said = swept.out.splitlines()
    assert said.pop(3).startswith("    leak: `permits` at app.py:4 was entered by Task-2 and never")
    assert said == [
        "1 point",
        "app.py:5: 1 of 1 lose something",
        "  cancelled, suspension 1",
        "    again: asyncctx-trace run --order out/app.py-5-1-cancel.order app.py",
    ]
    again = shell.trace(
        "run", "-q", "--fail-on", "leak", "--order", "out/app.py-5-1-cancel.order", "app.py"
    )
    assert "check --fail-on leak failed: leak (certain): `permits`" in again.err


def test_a_way_that_is_not_known_is_refused(shell: Shell) -> None:
    refused = shell.trace("sweep", "--with", "cancel,maybe", "app.py")

    assert refused.code == 2
    assert "unknown maybe; use one or several of: cancel, done, twice, error" in refused.err
