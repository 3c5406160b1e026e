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

if __name__ == "__main__":
    asyncio.run(main())
