"""The group-commit writer: many callers, one thread, one transaction for all that waited.

A unit of work is handed in together with the function that applies it: `apply(cursor, units) -> results`. Units that
queued while the last transaction ran are grouped by that function and committed as one. Callers await the result and
get it only once it is committed.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.common.errors import Unavailable

U = TypeVar("U")
R = TypeVar("R")


logger = logging.getLogger(__name__)

BATCH = 512
RETRY_SECONDS = 0.0002
LOCK_SECONDS = 30.0
LOG_SECONDS = 1.0


class StoreAway(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "quota_backend_unavailable", "The quota database is away for a moment; nothing was charged. Try again."
        )


class Cursor:
    """What functions of the writer get: the driver's own cursor, for SQL with `%s` placeholders on either database.

    Django's cursor would rewrite every statement each time it runs; here that happens once for each.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._cursor = connection.connection.cursor()
        self._is_sqlite = connection.vendor == "sqlite"
        self._operations = connection.ops
        self.for_update = " FOR UPDATE" if connection.features.has_select_for_update else ""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        self._cursor.execute(_question_marks(sql) if self._is_sqlite else sql, parameters)

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._cursor.executemany(_question_marks(sql) if self._is_sqlite else sql, rows)

    def fetchone(self) -> Any:
        return self._cursor.fetchone()

    def fetchall(self) -> list[Any]:
        rows: list[Any] = self._cursor.fetchall()
        return rows

    def instant(self, value: datetime | None) -> Any:
        """An instant in the form in which the database stores it."""
        return self._operations.adapt_datetimefield_value(value)

    @staticmethod
    def read_instant(value: datetime) -> datetime:
        """An instant as it comes out of the database, in UTC: SQLite stores none of its time zone."""
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value


@lru_cache(maxsize=4096)
def _question_marks(sql: str) -> str:
    return sql.replace("%s", "?")


@lru_cache(maxsize=4096)
def values(rows: int, columns: int) -> str:
    """`(%s, %s), (%s, %s)`: the placeholders of so many rows. One statement for all of them lets go of the
    interpreter once, where one for each would contend for it every time."""
    return ", ".join([f"({', '.join(['%s'] * columns)})"] * rows)


Apply = Callable[[Cursor, Sequence[U]], Sequence[R]]


class Writer:
    """One writer thread with its own connection to Django's default database.

    `submit` is for the event loop, `call` for threads. A unit that raises fails alone: its neighbours commit.
    After `stop`, which commits what is queued, units are refused with StoreAway.
    """

    def __init__(self, *, name: str = "writer", lock_seconds: float = LOCK_SECONDS) -> None:
        self._lock_seconds = lock_seconds
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._stopped = False
        self._log_is_due = False
        self._gate = threading.Lock()  # between the last unit and the sentinel that ends the thread
        self._connection: Any  # a BaseDatabaseWrapper with its driver's exceptions
        self.batches = 0
        self.units = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._gate:
            self._stopped = True
            self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, apply: Apply[U, R], unit: U) -> asyncio.Future[R]:
        """Queue a unit from the event loop; the future ends when its transaction is committed."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._put(_Unit(apply, unit, future, loop))
        return future

    def call(self, apply: Apply[U, R], unit: U) -> R:
        """Run a unit from a thread and wait for it."""
        future: Future[R] = Future()
        self._put(_Unit(apply, unit, future, None))
        return future.result()

    def _put(self, unit: "_Unit") -> None:
        with self._gate:
            if not self._stopped:
                self._queue.put(unit)
                return
        unit.error = StoreAway()
        _finish([unit])

    def _run(self) -> None:
        self._connection = connections["default"]
        while (batch := self._next_batch()) is not None:
            self._commit(batch)
            _finish(batch)
            if self._log_is_due:
                self._start_log_over()
        self._connection.close()

    def start_log_over(self) -> None:
        """Have SQLite's write-ahead log start over after the next batch, now that most of it is in the database."""
        self._log_is_due = True

    def _start_log_over(self) -> None:
        self._log_is_due = False
        try:
            self._connect().execute(_SHORTEN)
        except DatabaseError as error:
            logger.warning("The write-ahead log could not be started over: %s", error)

    def _next_batch(self) -> "list[_Unit] | None":
        first = self._queue.get()
        if first is None:
            return None
        batch = [first]
        try:
            while len(batch) < BATCH:
                unit = self._queue.get_nowait()
                if unit is None:
                    self._queue.put(None)
                    break
                batch.append(unit)
        except queue.Empty:
            pass
        return batch

    def _commit(self, batch: "list[_Unit]") -> None:
        self.batches += 1
        self.units += len(batch)
        try:
            cursor = self._connect()
            self._begin(cursor)
        except DatabaseError as error:
            self._fail(batch, error)
            return
        try:
            self._transact(cursor, batch)
        except DatabaseError as error:
            self._separate(batch, error)
        except Exception as error:
            logger.exception("A unit of the writer failed")
            self._separate(batch, error)

    def _separate(self, batch: "list[_Unit]", error: Exception) -> None:
        """A batch failed as a whole: give each unit its own transaction, so that only the bad one fails."""
        if len(batch) > 1:
            for unit in batch:
                self._commit([unit])
            return
        if isinstance(error, DatabaseError):
            self._fail(batch, error)
        else:
            batch[0].error = error

    def _fail(self, batch: "list[_Unit]", error: DatabaseError) -> None:
        """The database is away or locked: nothing of the batch was done, and trying each alone would take as long."""
        logger.error("The writer could not commit: %s", error)
        self._connection.close()
        for unit in batch:
            unit.error = StoreAway()
            unit.error.__cause__ = error

    def _transact(self, cursor: Cursor, batch: "list[_Unit]") -> None:
        with self._connection.wrap_database_errors:
            try:
                for apply, units in _by_function(batch).items():
                    for unit, result in zip(units, apply(cursor, [u.work for u in units]), strict=True):
                        unit.result = result
                cursor.execute("COMMIT")
            except BaseException:
                self._rollback(cursor)
                raise

    def _connect(self) -> Cursor:
        is_new = self._connection.connection is None
        self._connection.ensure_connection()
        with self._connection.wrap_database_errors:
            cursor = Cursor(self._connection)
            if is_new and self._connection.vendor == "sqlite":
                cursor.execute("PRAGMA busy_timeout=0")
        return cursor

    def _begin(self, cursor: Cursor) -> None:
        """Open the transaction, asking again every 0.2 ms while another process writes to the same SQLite file."""
        begin = "BEGIN IMMEDIATE" if self._connection.vendor == "sqlite" else "BEGIN"
        deadline = time.monotonic() + self._lock_seconds
        while True:
            try:
                with self._connection.wrap_database_errors:
                    cursor.execute(begin)
                return
            except DatabaseError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(RETRY_SECONDS)

    def _rollback(self, cursor: Cursor) -> None:
        try:
            cursor.execute("ROLLBACK")
        except self._connection.Database.Error:
            logger.warning("Rolling back failed; the connection is replaced")
            self._connection.close()


class _Unit:
    """A queued piece of work and the future of whoever waits for it."""

    __slots__ = ("apply", "error", "future", "loop", "result", "work")

    def __init__(self, apply: Any, work: Any, future: Any, loop: asyncio.AbstractEventLoop | None) -> None:
        self.apply, self.work, self.future, self.loop = apply, work, future, loop
        self.result: Any = None
        self.error: Exception | None = None

    def resolve(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def _by_function(batch: list[_Unit]) -> dict[Any, list[_Unit]]:
    groups: dict[Any, list[_Unit]] = {}
    for unit in batch:
        groups.setdefault(unit.apply, []).append(unit)
    return groups


def _finish(batch: list[_Unit]) -> None:
    """Wake the waiters: one call into each event loop for the whole batch."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Unit]] = {}
    for unit in batch:
        if unit.loop is None:
            unit.resolve()
        else:
            by_loop.setdefault(unit.loop, []).append(unit)
    for loop, units in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve_all, units)
        except RuntimeError:
            logger.warning("%d results came after the event loop had closed", len(units))


def _resolve_all(units: list[_Unit]) -> None:
    for unit in units:
        unit.resolve()


async def keep_log_short(writer: Writer) -> None:
    """Bring SQLite's write-ahead log into the database file every second, most of it beside the writer.

    Left to itself, SQLite does all of it within whichever commit makes the log long, and that commit waits for the
    disk. A thread does it while commits go on, and the writer only the little that has come since: then nothing is left
    and the log starts over instead of growing.
    """
    while connections["default"].vendor == "sqlite":
        await asyncio.sleep(LOG_SECONDS)
        try:
            await asyncio.to_thread(_shorten_log)
            writer.start_log_over()
        except DatabaseError as error:
            logger.warning("The write-ahead log could not be brought into the database: %s", error)


_SHORTEN = "PRAGMA wal_checkpoint(PASSIVE)"


def _shorten_log() -> None:
    connection = connections["default"]
    try:
        with connection.cursor() as cursor:
            cursor.execute(_SHORTEN)
    finally:
        connection.close()
