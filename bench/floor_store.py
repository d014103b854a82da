"""What the floor keeps: three accounts, holds, entries and call rows in one SQLite, the text of answers in another."""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

try:
    import pysqlite3 as sqlite3
except ImportError:
    import sqlite3  # type: ignore[no-redef]

MOST_UNITS = 256
DURABILITY = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
LEDGER = """
CREATE TABLE account (id INTEGER PRIMARY KEY, ceiling INTEGER, held INTEGER DEFAULT 0, used INTEGER DEFAULT 0);
CREATE TABLE hold (id INTEGER PRIMARY KEY, student INTEGER, amount INTEGER, is_open INTEGER DEFAULT 1);
CREATE TABLE entry (id INTEGER PRIMARY KEY, hold INTEGER, kind TEXT, held INTEGER, used INTEGER);
CREATE TABLE call (id TEXT PRIMARY KEY, student INTEGER, model TEXT, provider TEXT, prompt_tokens INTEGER,
    completion_tokens INTEGER, status INTEGER, started REAL, first_byte_ms REAL, total_ms REAL);
"""
TEXTS = "CREATE TABLE turn (id INTEGER PRIMARY KEY, call TEXT, body BLOB);"

HOLD = "UPDATE account SET held = held + ? WHERE id = ? AND used + held + ? <= ceiling"
RETURN = "UPDATE account SET held = held - ? WHERE id = ?"
CHARGE = "UPDATE account SET held = held - ?, used = used + ? WHERE id = ?"
ENTRY = "INSERT INTO entry (hold, kind, held, used) VALUES (?, ?, ?, ?)"
CLOSE = "UPDATE hold SET is_open = 0 WHERE id = ? AND is_open"
CALL = "INSERT INTO call VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

Unit = tuple[Any, ...]
Apply = Callable[[Any, Sequence[Unit]], Sequence[Any]]


class Committer:
    """One thread that commits whatever has queued as one transaction, and only then tells those who wait for it."""

    def __init__(self, path: Path, schema: str, apply: Apply) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.executescript(DURABILITY + schema)
        self._apply, self._loop = apply, asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[tuple[Unit, asyncio.Future[Any] | None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=path.stem)
        self._thread.start()

    def submit(self, *unit: Any) -> "asyncio.Future[Any]":
        """A future of what became of the unit, once it is committed."""
        future = self._loop.create_future()
        self._queue.put((unit, future))
        return future

    def put(self, *unit: Any) -> None:
        """Have the unit committed with the next batch, and nobody told."""
        self._queue.put((unit, None))

    def close(self) -> None:
        """Commit what has queued, and end the thread."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, is_last = [first], False
            while len(batch) < MOST_UNITS and not self._queue.empty():
                if (unit := self._queue.get()) is None:
                    is_last = True
                    break
                batch.append(unit)
            self._commit(batch)
            if is_last:
                return

    def _commit(self, batch: list[tuple[Unit, "asyncio.Future[Any] | None"]]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            results = self._apply(self._connection, [unit for unit, _ in batch])
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._connection.rollback()
            results = [error] * len(batch)
        told = [(future, result) for (_, future), result in zip(batch, results, strict=True) if future is not None]
        if told:
            self._loop.call_soon_threadsafe(_tell, told)


def _tell(told: "list[tuple[asyncio.Future[Any], Any]]") -> None:
    for future, result in told:
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)


def open_ledger(directory: Path, *, accounts: int, ceiling: int) -> Committer:
    """Of so many accounts. Its units are those of `reserve` and `settle`, with their name first."""
    rows = "".join(f"INSERT INTO account (id, ceiling) VALUES ({id}, {ceiling});" for id in range(1, accounts + 1))
    return Committer(directory / "ledger.sqlite3", LEDGER + rows, _move)


def open_texts(directory: Path) -> Committer:
    """Its units are a call's id and its text as bytes."""
    return Committer(directory / "texts.sqlite3", TEXTS, _keep)


def _move(connection: Any, units: Sequence[Unit]) -> list[Any]:
    return [(reserve if name == "reserve" else settle)(connection, *rest) for name, *rest in units]


def _keep(connection: Any, units: Sequence[Unit]) -> list[None]:
    connection.executemany("INSERT INTO turn (call, body) VALUES (?, ?)", units)
    return [None] * len(units)


def reserve(connection: Any, accounts: Sequence[int], amount: int) -> int | None:
    """Hold the amount on all accounts, or on none and give None; else the hold's number."""
    for index, account in enumerate(accounts):
        if connection.execute(HOLD, (amount, account, amount)).rowcount != 1:
            connection.executemany(RETURN, [(amount, earlier) for earlier in accounts[:index]])
            return None
    values = (accounts[-1], amount)
    hold: int = connection.execute("INSERT INTO hold (student, amount) VALUES (?, ?)", values).lastrowid
    connection.execute(ENTRY, (hold, "hold", amount, 0))
    return hold


def settle(connection: Any, hold: int, accounts: Sequence[int], amount: int, charge: int, call: Unit) -> bool:
    """Put the charge in the place of the hold and record the call, once; False if it is settled already."""
    if connection.execute(CLOSE, (hold,)).rowcount != 1:
        return False
    for account in accounts:
        connection.execute(CHARGE, (amount, charge, account))
    connection.execute(ENTRY, (hold, "settle", -amount, charge))
    connection.execute(CALL, call)
    return True
