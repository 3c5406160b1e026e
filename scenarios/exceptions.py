"""What `__aexit__` receives, and what it can do with an error.

A transaction on a real SQLite file commits if its body ends well and rolls back if it does not.
It is used seven times: without an error, with one that propagates, one that is suppressed, one
that is replaced by another, one in enter (then there is neither body nor exit), one in exit
after a good body, and one in exit that hides the error of the body.
"""

import asyncio
import sqlite3
import tempfile
from pathlib import Path


class Transaction:
    """All or nothing."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database

    async def __aenter__(self) -> sqlite3.Connection:
        await asyncio.sleep(0.3)
        self.database.execute("begin")
        return self.database

    async def __aexit__(self, kind: object, error: object, traceback: object) -> bool:
        print(f"  __aexit__ is told: {error!r}")
        await asyncio.sleep(0.05)
        self.database.execute("commit" if error is None else "rollback")
        return False  # an error propagates


class Forgiving(Transaction):
    """Treats an empty order as no order."""

    async def __aexit__(self, kind: object, error: object, traceback: object) -> bool:
        await super().__aexit__(kind, error, traceback)
        return isinstance(error, ValueError)  # true: the error ends here


class Translating(Transaction):
    """Raises errors of the shop instead of errors of the database."""

    async def __aexit__(self, kind: object, error: object, traceback: object) -> bool:
        await super().__aexit__(kind, error, traceback)
        if isinstance(error, sqlite3.IntegrityError):
            raise LookupError("that order is there already") from error
        return False


class Locked(Transaction):
    """Fails in enter."""

    async def __aenter__(self) -> sqlite3.Connection:
        await asyncio.sleep(0.3)
        raise PermissionError("the books are closed today")


class Clumsy(Transaction):
    """Rolls back, and fails in exit."""

    async def __aexit__(self, kind: object, error: object, traceback: object) -> bool:
        await super().__aexit__(kind, error, traceback)
        raise OSError("the disk is full")


async def order(transaction: Transaction, number: int | None) -> None:
    """Write one order; without a number there is nothing to write."""
    async with transaction as database:
        await asyncio.sleep(0.3)
        if number is None:
            raise ValueError("an order without a number")
        database.execute("insert into orders values (?)", [number])


async def attempt(title: str, transaction: Transaction, number: int | None) -> None:
    """Run one order, and print what the caller sees of it."""
    print(title)
    try:
        await order(transaction, number)
    except Exception as error:
        behind = error.__cause__ or error.__context__
        print(f"  the caller gets: {error!r}" + (f", behind it {behind!r}" if behind else ""))
    else:
        print("  the caller gets no error")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder, "orders.db"), isolation_level=None)
        database.execute("create table orders (number integer primary key)")
        await attempt("a good order", Transaction(database), 1)
        await attempt("propagate", Transaction(database), None)
        await attempt("suppress", Forgiving(database), None)
        await attempt("replace", Translating(database), 1)
        await attempt("error in enter", Locked(database), 2)
        await attempt("error in exit", Clumsy(database), 3)
        await attempt("error in exit hides the body's", Clumsy(database), None)
        [[count]] = database.execute("select count(*) from orders")
        print(f"{count} orders are in the books")
        database.close()


# What the tracer finds in this run; the project's tests check it.
EXPECTS = {
    "findings": {
        "suppressed-error": ["transaction"],
        "cleanup-error": ["transaction", "transaction"],
    },
    "cleanup": {
        "Task-1": (
            "transaction → transaction → transaction → transaction → transaction → transaction"
        ),
    },
    "contention": {},
}

# What to look at, step by step; the project's tests check that each moment is found.
STORY = [
    {
        "at": ("Task-1", "holds", "transaction"),
        "see": "A good order: the body runs and ends without an error, so the exit commits.",
    },
    {
        "at": ("Task-1", "leaves", "transaction", 2),
        "see": "The second body ends with an error, marked by a cross. The exit still runs, and "
        "gets the error: it rolls back.",
    },
    {
        "at": ("Task-1", "has left", "transaction", 2),
        "see": "The third body fails as well, but its exit returns true: the error is "
        "suppressed, and the caller sees none.",
    },
    {
        "at": ("Task-1", "has left", "transaction"),
        "see": "The fourth exit raises another error, which takes the place of that of the body.",
    },
    {
        "at": ("Task-1", "fails to get", "transaction"),
        "see": "The fifth fails in its enter. There is neither a body nor an exit: what enter "
        "had begun, it must undo itself.",
    },
    {
        "at": ("Task-1", "has left", "transaction"),
        "see": "A good body, and an exit that fails: the caller gets the error of the exit.",
    },
    {
        "at": ("Task-1", "has left", "transaction"),
        "see": "Body and exit fail. The error of the exit hides that of the body; view 8 shows "
        "both.",
    },
]

if __name__ == "__main__":
    asyncio.run(main())
