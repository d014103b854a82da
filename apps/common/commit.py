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
from typing import Any, TypeVar

from django.db import DatabaseError, connections

from apps.common.cursor import Cursor
from apps.common.errors import Unavailable

U = TypeVar("U")
R = TypeVar("R")


logger = logging.getLogger(__name__)

BATCH = 512
RETRY_SECONDS = 0.0002
LOCK_SECONDS = 30.0
SHORTEN_LOG = "PRAGMA wal_checkpoint(PASSIVE)"


class StoreAway(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "quota_backend_unavailable", "The quota database is away for a moment; nothing was charged. Try again."
        )


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
            self._connect().execute(SHORTEN_LOG)
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
