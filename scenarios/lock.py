"""Three workers and an auditor share one lock.

Each worker holds the lock for a while, again and again. Whoever comes while it is held
waits in line: the lock lets them in one at a time, in the order in which they asked. The
auditor comes seldom, but holds the lock long, and then everybody queues up behind it.
"""

import asyncio
import random

from asyncctx_trace import traced

# This is all it takes to watch a lock: wrap it once, where it is made, and give it a name.
# Under `asyncctx-trace run` the lock shows up as "db lock"; under plain `python` nothing is
# recorded and the lock is the lock.
db_lock = traced(asyncio.Lock(), name="db lock")


async def worker(number: int, rounds: int) -> None:
    """Some work without the lock, some with it."""
    # Luck of its own for each worker, the same at every run, and such that no two of them ask
    # for the lock at the same moment.
    luck = random.Random(143281 + number)
    for round in range(1, rounds + 1):
        await asyncio.sleep(luck.uniform(0.1, 0.6))
        async with db_lock:
            await asyncio.sleep(luck.uniform(0.2, 0.45))
        print(f"worker-{number} finished round {round} of {rounds}")


async def auditor(visits: int) -> None:
    """Comes seldom and stays long."""
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


# What the tracer must tell of this run: the tests of the project hold it to that.
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
