"""Bakers fill a shelf, customers empty it.

The shelf holds two loaves. A baker who finds it full waits until there is room, a customer who
finds it empty waits until there is bread. Both wait *inside* the `async with`: `wait_for` gives
the condition's lock away while it waits, and has it again when it returns. Whoever changes the
shelf says so with `notify_all`, and everybody looks anew.
"""

import asyncio

from asyncctx_trace import traced

ROOM = 2
shelf: list[str] = []
shelf_changed = traced(asyncio.Condition(), name="shelf")


async def baker(name: str, loaves: int, seconds: float) -> None:
    """Bakes, and puts every loaf on the shelf."""
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
    """Takes a loaf, eats it, and comes back."""
    for _ in range(loaves):
        async with shelf_changed:
            if not shelf:
                print(f"{name} finds the shelf empty")
            await shelf_changed.wait_for(lambda: len(shelf) > 0)
            print(f"{name} takes {shelf.pop(0)}")
            shelf_changed.notify_all()
            await asyncio.sleep(0.45)  # pays, with the shelf still to itself
        await asyncio.sleep(seconds)


async def main() -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(customer("anna", 4, 0.65), name="anna")
        tasks.create_task(baker("bert", 4, 0.3), name="bert")
        tasks.create_task(baker("bill", 3, 0.45), name="bill")
        await asyncio.sleep(1.55)
        tasks.create_task(customer("cleo", 3, 1.0), name="cleo")
    print(f"sold out, {len(shelf)} left")


# What the tracer must tell of this run: the tests of the project hold it to that.
EXPECTS = {
    "findings": {},
    "cleanup": {},
    "contention": {
        "shelf": {
            "most_waiters": 3,
            # Who is woken has to take the lock again, and so comes in once more.
            "got_in": (
                "anna → bert → anna → bill → bert → bert → bill → anna → bert → bill → cleo → "
                "bill → bert → anna → bert → bill → cleo → bill → anna → cleo"
            ),
        },
    },
}

if __name__ == "__main__":
    asyncio.run(main())
