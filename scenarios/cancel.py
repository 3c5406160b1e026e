"""A task is cancelled in enter, in the body and in exit.

Cancellation is raised at whatever a task awaits at that moment. In the body that is harmless:
exit runs. In exit it interrupts the cleanup, unless the cleanup is shielded. In enter there is
no exit to run: what enter had already acquired is lost, unless enter itself gives it back. The
workshop has three tools; count them at the end.
"""

import asyncio

from asyncctx_trace import traced

TOOLS = ["hammer", "saw", "drill"]


@traced(name="tool")
class Tool:
    """Takes a tool from the shelf and checks it; at the end, cleans it and puts it back."""

    def __init__(self, shelf: "asyncio.Queue[str]") -> None:
        self.shelf = shelf

    async def __aenter__(self) -> str:
        self.tool = await self.shelf.get()
        await self.check()
        return self.tool

    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        await self.clean()

    async def check(self) -> None:
        """Check the tool, which takes a moment."""
        await asyncio.sleep(0.5)

    async def clean(self) -> None:
        """Clean the tool, which takes a moment, before it is put back."""
        await asyncio.sleep(0.5)
        self.shelf.put_nowait(self.tool)


class CarefulTool(Tool):
    """The same, with both mistakes corrected."""

    async def __aenter__(self) -> str:
        self.tool = await self.shelf.get()
        try:
            await self.check()
        except BaseException:
            self.shelf.put_nowait(self.tool)  # no exit will
            raise
        return self.tool

    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        cleaning = asyncio.create_task(self.clean(), name="cleaning")
        try:
            await asyncio.shield(cleaning)
        except asyncio.CancelledError:
            await cleaning  # we are cancelled, the cleaning is not: let it finish
            raise


async def work(manager: Tool) -> None:
    """Work with one tool for a second."""
    async with manager:
        await asyncio.sleep(0.5)


async def cancel_after(seconds: float, manager: Tool, where: str) -> None:
    """Start work and cancel it."""
    task = asyncio.create_task(work(manager), name=f"{type(manager).__name__} {where}")
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.wait([task])
    print(f"  cancelled {where}: {manager.shelf.qsize()} tools on the shelf")


async def main() -> None:
    for kind in (Tool, CarefulTool):
        print(f"{kind.__name__}:")
        shelf: asyncio.Queue[str] = asyncio.Queue()
        for tool in TOOLS:
            shelf.put_nowait(tool)
        await cancel_after(0.75, kind(shelf), "in the body")
        await cancel_after(0.25, kind(shelf), "in enter")
        await cancel_after(1.25, kind(shelf), "in exit")


# What the tracer finds in this run; the project's tests check it.
EXPECTS = {
    "findings": {
        "cancelled-in-enter": ["tool"],
        "cleanup-cancelled": ["tool"],
        "slow-cleanup": ["tool"],
    },
    "cleanup": {
        "Tool in the body": "tool",
        "Tool in exit": "tool",
        "CarefulTool in the body": "tool",
        "CarefulTool in exit": "tool",
    },
    "contention": {},
}

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("Tool in the body", "leaves", "tool"),
        "see": "Cancelled in the body: the exit runs as usual, and puts the tool back.",
    },
    {
        "at": ("Tool in enter", "waits for", "tool"),
        "see": "This task has taken a tool from the shelf and is still in its enter.",
    },
    {
        "at": ("Tool in enter", "fails to get", "tool"),
        "see": "Cancelled in enter: there will be no exit, so the tool is lost.",
    },
    {
        "at": ("Tool in exit", "cleans up", "tool"),
        "see": "The third task has begun to clean its tool.",
    },
    {
        "at": ("Tool in exit", "has left", "tool"),
        "see": "Cancelled in exit: the cleanup is cut off in the middle, and this tool is lost, "
        "too.",
    },
    {
        "at": ("CarefulTool in enter", "fails to get", "tool"),
        "see": "The careful one is cancelled in its enter as well, but its enter gives the tool "
        "back before it lets the cancellation pass.",
    },
    {
        "at": ("CarefulTool in exit", "has left", "tool"),
        "see": "Its cleanup is shielded: it is complete before the cancellation continues. All "
        "three tools are on the shelf.",
    },
]

if __name__ == "__main__":
    asyncio.run(main())
