"""Three workers and an auditor share one lock.

Each worker holds the lock for a while, again and again. A task that asks for it meanwhile
waits in line: the lock lets tasks in one at a time, in the order in which they asked. The
auditor comes seldom but holds the lock for long, and then the others queue up behind it.
"""

import asyncio
import random

from asyncctx_trace import traced

# To watch a lock, wrap it once, where it is created, and give it a name.
# Under `asyncctx-trace run` the lock shows up as "db lock"; under plain `python` nothing is
# recorded and the lock is unchanged.
db_lock = traced(asyncio.Lock(), name="db lock")


async def worker(number: int, rounds: int) -> None:
    """Work without the lock, then with it, several times."""
    # A random sequence for each worker, the same in every run, such that no two workers ask
    # for the lock at the same moment.
    luck = random.Random(143281 + number)
    for round in range(1, rounds + 1):
        await asyncio.sleep(luck.uniform(0.1, 0.6))
        async with db_lock:
            await asyncio.sleep(luck.uniform(0.2, 0.45))
        print(f"worker-{number} finished round {round} of {rounds}")


async def auditor(visits: int) -> None:
    """Come seldom and hold the lock for long."""
    for visit in range(1, visits + 1):
        await asyncio.sleep(1.3)
        async with db_lock:
            print(f"auditor reads the books, visit {visit} of {visits}")
            await asyncio.sleep(0.7)


async def main() -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in (1, 2, 3):
            tasks.create_task(worker(number, rounds=5), name=f"worker-{number}")
        tasks.create_task(auditor(visits=2), name="auditor")
    print("everybody is done")


# What the tracer finds in this run; the project's tests check it.
EXPECTS = {
    "findings": {},
    "cleanup": {},
    "contention": {
        "db lock": {
            "most_waiters": 3,
            "got_in": (
                "worker-1 → worker-3 → worker-2 → worker-1 → worker-3 → auditor → "
                "worker-2 → worker-1 → worker-3 → worker-2 → worker-1 → auditor → "
                "worker-3 → worker-2 → worker-1 → worker-3 → worker-2"
            ),
        },
    },
}

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("worker-1", "holds", "db lock"),
        "see": "worker-1 found the lock free and holds it: its bar is solid, and lighter while "
        "it waits for something else (z: a timer).",
    },
    {
        "at": ("worker-2", "waits for", "db lock"),
        "see": "worker-2 has asked for the lock while worker-3 holds it: its bar is dotted. It "
        "waits in its enter.",
    },
    {
        "at": ("worker-2", "gets", "db lock"),
        "see": "worker-3 has left, so worker-2 gets in. The dotted arrow leads from the exit of "
        "worker-3 to the enter that it unblocked.",
    },
    {
        "at": ("auditor", "waits for", "db lock"),
        "see": "The auditor waits in line like the others: the lock lets tasks in in the order "
        "in which they asked.",
    },
    {
        "at": ("worker-3", "waits for", "db lock"),
        "see": "The auditor holds the lock for long. Look at the other lanes: one worker after "
        "the other gets stuck in its enter. View 2 shows the queue as a curve.",
    },
    {
        "at": ("auditor", "has left", "db lock"),
        "see": "The auditor leaves, and the queue drains: each worker lets in the next one. The "
        "overview (0) names the line that kept them waiting.",
    },
]

if __name__ == "__main__":
    asyncio.run(main())
