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

from django.db import DatabaseError, IntegrityError, OperationalError, connections
from prometheus_client import Histogram

from apps.common.cursor import Cursor
from apps.common.errors import Unavailable
from apps.common.outages import Trouble, database_outage, trouble
from apps.common.sessions import LOCK_SECONDS, CommitUnknown, Session, open_session

U = TypeVar("U")
R = TypeVar("R")


logger = logging.getLogger(__name__)

BATCH = 512
BATCH_UNITS = Histogram(
    "stoa_ledger_batch_units",
    "Reservations, settlements and other units that were committed in one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
BATCH_SECONDS = Histogram(
    "stoa_ledger_batch_seconds",
    "Seconds of a transaction of the ledger.",
    buckets=(0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
AWAY_SECONDS = 0.2
WATCH_SECONDS = 0.5
WATCH_PATIENCE = 5.0  # seconds at the end


class StoreAway(Unavailable):
    """The database cannot be written at the moment. `is_unknown`: it went away while it committed, so that the unit
    may have been done after all."""

    def __init__(self, *, is_unknown: bool = False) -> None:
        self.is_unknown = is_unknown
        super().__init__(
            "quota_backend_unavailable",
            "The quota database is unavailable at the moment. Nothing was charged; try again.",
        )


Apply = Callable[[Cursor, Sequence[U]], Sequence[R]]


class Writer:
    """One writer thread with its own connection to Django's default database.

    `submit` is for the event loop, `call` for threads. A unit that raises, or that the database refuses, fails alone
    with that error: its neighbours commit. While the database is away units fail with StoreAway, and the first that
    comes after its return is done. After `stop`, which commits what is queued, units are refused with StoreAway.
    On PostgreSQL the writer shows as long as it lives that the process `sign` does (see `apps.common.owners`).
    With `reads_only` its units change nothing, and on SQLite it does not wait for those who write.
    """

    def __init__(
        self,
        *,
        name: str = "writer",
        lock_seconds: float = LOCK_SECONDS,
        sign: str | None = None,
        reads_only: bool = False,
    ) -> None:
        self._lock_seconds, self._sign, self._reads_only = lock_seconds, sign, reads_only
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._before: list[Callable[[], None]] = []
        self._stopped = False
        self._idle_since = time.monotonic()
        self._gate = threading.Lock()  # between the last unit and the sentinel that ends the thread
        self._away_until = 0.0
        self.batches = 0
        self.units = 0

    def start(self) -> None:
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Units that wait for their transaction."""
        return self._queue.qsize()

    def stop(self) -> None:
        with self._gate:
            self._stopped = True
            self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def before_each(self, do: Callable[[], None]) -> None:
        """Have the writer's thread do something before each transaction: when a unit is committed, it has been done."""
        self._before.append(do)

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
        session = open_session(lock_seconds=self._lock_seconds, sign=self._sign, reads_only=self._reads_only)
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(session, done), name="writer watch", daemon=True)
        watch.start()
        while (batch := self._next_batch()) is not None:
            began = time.perf_counter()
            self._prepare()
            self._commit(session, batch)
            _finish(batch)
            if not self._reads_only:
                BATCH_UNITS.observe(len(batch))
                BATCH_SECONDS.observe(time.perf_counter() - began)
            session.rest()
            self._idle_since = time.monotonic()
        done.set()
        session.close()
        watch.join(WATCH_PATIENCE)  # it may be measuring the log just now, on a connection of its own

    def _watch(self, session: Session, done: threading.Event) -> None:
        while not done.wait(WATCH_SECONDS):
            session.watch(idle_seconds=time.monotonic() - self._idle_since)
        connections.close_all()

    def _prepare(self) -> None:
        for do in self._before:
            try:
                do()
            except Exception:
                logger.exception("What the writer does before each transaction failed")

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

    def _commit(self, session: Session, batch: "list[_Unit]", *, is_repeated: bool = False) -> None:
        self.batches += 1
        self.units += len(batch)
        try:
            cursor = self._begin(session, batch)
        except DatabaseError as error:
            _fail(batch, error)
            return
        try:
            _transact(session, cursor, batch)
        except CommitUnknown as error:
            _fail(batch, error)
        except DatabaseError as error:
            if session.is_lost:
                # Nothing was committed: a database that is back already does it now, one that is away says so at once.
                self._fail_or_repeat(session, batch, error, is_repeated)
            else:
                self._separate(session, batch, error)
        except Exception as error:
            logger.exception("A unit of the writer failed")
            self._separate(session, batch, error)

    def _begin(self, session: Session, batch: "list[_Unit]") -> Cursor:
        """A database that was away a moment ago is not asked again for each of those who wait."""
        if time.monotonic() < self._away_until:
            raise OperationalError("The database was away a moment ago.")
        try:
            cursor = session.begin(patient=not batch[0].is_separated)
            database_outage.ended()
            return cursor
        except DatabaseError as error:
            database_outage.began(error)
            session.close()
            self._away_until = time.monotonic() + AWAY_SECONDS
            raise

    def _fail_or_repeat(self, session: Session, batch: "list[_Unit]", error: Exception, is_repeated: bool) -> None:
        session.close()
        if is_repeated:
            _fail(batch, error)
        else:
            self._commit(session, batch, is_repeated=True)

    def _separate(self, session: Session, batch: "list[_Unit]", error: Exception) -> None:
        """A batch failed as a whole: give each unit its own transaction, so that only the bad one fails.

        A lone unit is repeated if it refers to what somebody else was just deleting.
        """
        if batch[0].is_separated or (len(batch) == 1 and not isinstance(error, IntegrityError)):
            _fail(batch, error)
            return
        for unit in batch:
            unit.is_separated = True
            self._commit(session, [unit])


def _transact(session: Session, cursor: Cursor, batch: "list[_Unit]") -> None:
    try:
        with cursor.wrap_errors:
            for apply, units in _by_function(batch).items():
                for unit, result in zip(units, apply(cursor, [u.work for u in units]), strict=True):
                    unit.result = result
    except BaseException:
        session.rollback()
        raise
    session.commit()


def _fail(batch: "list[_Unit]", error: Exception) -> None:
    """An error of the database's becomes StoreAway when waiting helps; what it refuses for good stays what it is."""
    if trouble(error) in (None, Trouble.MISTAKE):
        for unit in batch:
            unit.error = error
        return
    database_outage.began(error)
    for unit in batch:
        unit.error = StoreAway(is_unknown=isinstance(error, CommitUnknown))
        unit.error.__cause__ = error


class _Unit:
    """A queued piece of work and the future of whoever waits for it."""

    __slots__ = ("apply", "error", "future", "is_separated", "loop", "result", "work")

    def __init__(self, apply: Any, work: Any, future: Any, loop: asyncio.AbstractEventLoop | None) -> None:
        self.apply, self.work, self.future, self.loop = apply, work, future, loop
        self.result: Any = None
        self.error: Exception | None = None
        self.is_separated = False


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
            _resolve_all([unit])
        else:
            by_loop.setdefault(unit.loop, []).append(unit)
    for loop, units in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve_all, units)
        except RuntimeError:
            logger.warning("%d results came after the event loop had closed", len(units))


def _resolve_all(units: list[_Unit]) -> None:
    for unit in units:
        if unit.future.done():
            continue
        if unit.error is not None:
            unit.future.set_exception(unit.error)
        else:
            unit.future.set_result(unit.result)
