"""Bakers fill a shelf, customers empty it.

The shelf has space for two loaves. A baker waits while it is full, a customer waits while it is
empty. Both wait *inside* the `async with`: `wait_for` releases the lock of the condition while
it waits, and holds it again when it returns. Whoever changes the shelf calls `notify_all`, and
all waiting tasks check again.
"""

import asyncio

from asyncctx_trace import traced

ROOM = 2
shelf: list[str] = []
shelf_changed = traced(asyncio.Condition(), name="shelf")


async def baker(name: str, loaves: int, seconds: float) -> None:
    """Bake, and put every loaf on the shelf."""
    for number in range(1, loaves + 1):
        await asyncio.sleep(seconds)
        async with shelf_changed:
            if len(shelf) == ROOM:
                print(f"{name} finds the shelf full")
            await shelf_changed.wait_for(lambda: len(shelf) < ROOM)
            shelf.append(f"{name}'s loaf {number}")
            print(f"{name} brings loaf {number}, {len(shelf)} on the shelf")
            shelf_changed.notify_all()


async def customer(name: str, loaves: int, seconds: float) -> None:
    """Take a loaf, eat it, and come back."""
    for _ in range(loaves):
        async with shelf_changed:
            if not shelf:
                print(f"{name} finds the shelf empty")
            await shelf_changed.wait_for(lambda: len(shelf) > 0)
            print(f"{name} takes {shelf.pop(0)}")
            shelf_changed.notify_all()
            await asyncio.sleep(0.45)  # pays, still holding the lock
        await asyncio.sleep(seconds)


async def main() -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(customer("anna", 4, 0.65), name="anna")
        tasks.create_task(baker("bert", 4, 0.3), name="bert")
        tasks.create_task(baker("bill", 3, 0.45), name="bill")
        await asyncio.sleep(1.55)
        tasks.create_task(customer("cleo", 3, 1.0), name="cleo")
    print(f"sold out, {len(shelf)} left")


# What the tracer finds in this run; the project's tests check it.
EXPECTS = {
    "findings": {},
    "cleanup": {},
    "contention": {
        "shelf": {
            "most_waiters": 3,
            # A task that is woken acquires the lock again.
            "got_in": (
                "anna → bert → anna → bill → bert → bert → bill → anna → bert → bill → cleo → "
                "bill → bert → anna → bert → bill → cleo → bill → anna → cleo"
            ),
        },
    },
}

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("anna", "has left", "shelf"),
        "see": "anna came first and found the shelf empty. `wait_for` has released the lock: her "
        "acquisition ends, and she waits for a notification (the dashed line).",
    },
    {
        "at": ("bert", "has left", "shelf"),
        "see": "bert has brought a loaf and called `notify_all`: anna wakes up and asks for the "
        "lock again.",
    },
    {
        "at": ("bill", "waits for", "shelf"),
        "see": "anna has got the lock and pays while she holds it, so bill waits in his enter: to "
        "be notified is one thing, to get the lock another.",
    },
    {
        "at": ("bert", "waits for", "shelf", 2),
        "see": "The shelf was full: bert and bill had released the lock and waited. anna has "
        "taken a loaf and notified all, and both want the lock again.",
    },
    {
        "at": ("cleo", "gets", "shelf"),
        "see": "Whoever gets the lock checks the shelf again. Those for whom nothing has changed "
        "release it at once and wait for the next notification.",
    },
]

if __name__ == "__main__":
    asyncio.run(main())
