"""Two tasks, two locks, opposite order.

Money moves between two accounts, and a transfer locks both, the account that pays first. So two
transfers in opposite directions may each hold the lock that the other one waits for, and then
neither can continue. The first round goes well, by luck. In the second round the two meet. A
deadline ends it and the program exits with code 1; without the deadline it would hang. The
remedy: always lock accounts in the same order, in every transfer.
"""

import asyncio
import sys

from asyncctx_trace import traced

PATIENCE = 2.5

accounts = {"anna": 100, "bert": 100}
locks = {name: traced(asyncio.Lock(), name=f"account of {name}") for name in accounts}


async def transfer(payer: str, payee: str, amount: int) -> None:
    """Move money while holding both accounts."""
    async with locks[payer]:
        await asyncio.sleep(0.4)  # reads the balance
        async with locks[payee]:
            await asyncio.sleep(0.4)  # writes both
            accounts[payer] -= amount
            accounts[payee] += amount
    print(f"{payer} paid {payee} {amount}")


async def round_of_transfers(seconds_apart: float) -> None:
    """Run two transfers, in opposite directions."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(transfer("anna", "bert", 30), name="anna pays")
        await asyncio.sleep(seconds_apart)
        tasks.create_task(transfer("bert", "anna", 10), name="bert pays")


async def main() -> int:
    print("one after the other:")
    await round_of_transfers(seconds_apart=1.0)
    print("both at once:")
    try:
        async with asyncio.timeout(PATIENCE):
            await round_of_transfers(seconds_apart=0.2)
    except TimeoutError:
        print(f"deadlock: nothing moved for a while; {accounts}")
        return 1
    print(f"no deadlock; {accounts}")
    return 0


# What the tracer finds in this run; the project's tests check it.
EXPECTS = {
    "findings": {
        "deadlock": ["account of bert"],
        "timeout": ["timeout"],
    },
    "cleanup": {
        "anna pays": "account of bert → account of anna → account of anna",
        "bert pays": "account of anna → account of bert → account of bert",
    },
    "contention": {
        "account of anna": {"most_waiters": 1, "got_in": "anna pays → bert pays → anna pays"},
        "account of bert": {"most_waiters": 1, "got_in": "anna pays → bert pays → bert pays"},
    },
    "exit_code": 1,
}

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("anna pays", "holds", "account of bert"),
        "see": "The first round: anna pays locks anna's account, then bert's. Two bars, one "
        "inside the other.",
    },
    {
        "at": ("bert pays", "gets", "account of anna"),
        "see": "bert pays comes later and locks them in the opposite order. It goes well, "
        "because nobody else is there.",
    },
    {
        "at": ("anna pays", "gets", "account of anna"),
        "see": "The second round: anna pays locks anna's account first …",
    },
    {
        "at": ("bert pays", "gets", "account of bert"),
        "see": "… and bert pays bert's. Each holds one of the two.",
    },
    {
        "at": ("anna pays", "waits for", "account of bert"),
        "see": "anna pays waits for the account that bert pays holds.",
    },
    {
        "at": ("bert pays", "waits for", "account of anna"),
        "see": "And bert pays waits for the one that anna pays holds: neither can go on. View 3 "
        "draws the cycle.",
    },
    {
        "at": ("Task-1", "has left", "timeout"),
        "see": "Only the deadline ends it, by cancelling both. Without it the program would hang.",
    },
]

if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
