"""``asyncctx-trace confirm`` makes possible findings happen, and ``run --order`` repeats them."""

from __future__ import annotations

import re

from .conftest import Shell

HANGS_WITH_BAD_LUCK = """
    import asyncio, sys
    a, b = asyncio.Lock(), asyncio.Lock()
    async def pay(payer, payee, late):
        await asyncio.sleep(late)
        async with payer:
            await asyncio.sleep(0.001)
            async with payee:
                print("paid", *sys.argv[1:])
    async def main():
        try:
            async with asyncio.timeout(20):
                await asyncio.gather(pay(a, b, 0), pay(b, a, 0.1))
        except TimeoutError:
            sys.exit("they wait for each other")
    asyncio.run(main())
"""


def test_an_inversion_is_confirmed_and_repeated(shell: Shell) -> None:
    shell.write("app.py", HANGS_WITH_BAD_LUCK)
    assert shell.trace("run", "-q", "-o", "r.actx", "app.py", "30").code == 0

    confirmed = shell.trace("confirm", "r.actx", "--repeats", "2", "-o", "bank.order")

    assert confirmed.code == 1
    assert confirmed.err == ""
    lines = confirmed.out.splitlines()
    assert lines[0].startswith("lock-order-inversion: Task-")
    assert re.fullmatch(r"confirmed in run \d+ \(hangs 2 of 2 when steered\), certain:", lines[-4])
    assert lines[-3].startswith("  deadlock: Task-")
    assert lines[-2:] == [
        "  again:  asyncctx-trace run --order bank.order app.py 30",
        "  proof:  bank.actx",
    ]
    order = shell.folder.joinpath("bank.order").read_text().splitlines()
    assert order[0] == "asyncctx-trace order 1"
    assert order[-1].startswith("hold app.py:7 holding ")
    proof = shell.trace("report", "bank.actx", "--fail-on", "deadlock")
    assert proof.code == 1


def test_without_a_possible_finding_there_is_nothing_to_do(shell: Shell) -> None:
    shell.write("app.py", "print('hello')\n")
    shell.trace("run", "-q", "-o", "r.actx", "app.py")

    ended = shell.trace("confirm", "r.actx")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "no possible finding that delays can bring about\n"


def test_what_is_not_there_is_refused_in_one_line(shell: Shell) -> None:
    script = shell.write("app.py", "print('hello')\n")
    shell.trace("run", "-q", "-o", "r.actx", "app.py")

    misspelt = shell.trace("confirm", "r.actx", "deadlok")
    moved = shell.trace("confirm", "r.actx", "--", "other.py")
    unreadable = shell.trace("run", "--order", "app.py", "app.py")

    script.rename(shell.folder / "new.py")
    gone = shell.trace("confirm", "r.actx")

    assert misspelt.code == moved.code == unreadable.code == gone.code == 2
    assert misspelt.err == (
        "asyncctx-trace: the recording has no finding 'deadlok'; it has none; a FINDING is a kind, "
        "or a line such as app.py:12\n"
    )
    assert moved.err.startswith("asyncctx-trace: other.py: no such file")
    assert unreadable.err.startswith("asyncctx-trace: app.py is not an order file")
    assert gone.err == (
        "asyncctx-trace: app.py: no such file: call this where the program was started, or give "
        "the program after --, such as `-- app.py --port 80`\n"
    )


def test_a_redacted_recording_does_not_say_what_to_run(shell: Shell) -> None:
    shell.write(
        "app.py",
        """
        import asyncio
        async def main():
            async with {"secret": asyncio.Lock()}["secret"]:
                pass
        asyncio.run(main())
        """,
    )
    shell.trace("run", "-q", "--redact", "-o", "r.actx", "app.py", "--password", "x")

    refused = shell.trace("confirm", "r.actx")

    assert refused.code == 2
    assert refused.err.startswith("asyncctx-trace: the recording was made with --redact, without")
