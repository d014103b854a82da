"""The connection that a group-commit writer works on: how a transaction begins and ends on each database.

Two implementations, for SQLite and for PostgreSQL. `begin` and `commit` raise Django's database errors; after one of
them nothing of the transaction has been done, unless it is `CommitUnknown`.
"""

import contextlib
import copy
import logging
import os
import socket
import threading
import time
from typing import Any, Protocol

from django.db import DatabaseError, OperationalError, connections

from apps.common.cursor import Cursor, cursor_on
from apps.common.owners import lock_number
from apps.common.sqlite_session import SQLiteReading, SQLiteSession

logger = logging.getLogger(__name__)

LOCK_SECONDS = 30.0

RESOLVE_SECONDS = 3.0
STUCK_SECONDS = 5.0  # a statement may take two, a wait for a lock one: beyond this the network has swallowed it
_LIMITS = "-c statement_timeout=2000 -c lock_timeout=1000 -c idle_in_transaction_session_timeout=10000"
_PLANS = "-c plan_cache_mode=force_custom_plan -c jit=off"  # a plan that is kept would be that of an empty table
_SAME_BACKEND = "FROM pg_stat_activity WHERE pid = %s AND backend_start::text = %s"
# Changes when the server starts, and when it recovers from a crash of one of its processes: its statistics start anew.
_SERVER_LIFE = "concat(pg_postmaster_start_time(), (SELECT stats_reset FROM pg_stat_bgwriter))"
_SHORT_LOCK = "SET LOCAL lock_timeout = 20"


class CommitUnknown(OperationalError):
    """The database went away while it committed, and stays away: the transaction may or may not have been done."""


class Session(Protocol):
    """A connection of its own, used by one thread at a time; `watch` comes from another."""

    def begin(self, *, patient: bool = True) -> Cursor:
        """Open a transaction. Not patient: locks that others hold are hardly waited for."""

    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def rest(self) -> None:
        """What may be done between two transactions, now and then."""

    def watch(self, *, idle_seconds: float) -> None:
        """Called twice a second by a thread beside, which is told for how long there has been no transaction."""

    def close(self) -> None: ...

    @property
    def is_lost(self) -> bool:
        """The connection broke in the middle of a transaction, which is therefore undone."""


def open_session(*, lock_seconds: float = LOCK_SECONDS, sign: str | None = None, reads_only: bool = False) -> Session:
    """The session for Django's default database. On PostgreSQL it holds a lock named after `sign` while it lasts."""
    if connections["default"].vendor == "postgresql":
        return PostgreSQLSession(sign=sign)
    return SQLiteReading(lock_seconds=lock_seconds) if reads_only else SQLiteSession(lock_seconds=lock_seconds)


class PostgreSQLSession:
    """Bounds every statement in time, and finds out what became of a commit that was cut off.

    Each transaction asks for its number at its beginning; PostgreSQL can tell later whether that number was committed.
    Statements go out in a pipeline: whatever reads nothing is waited for only together with the COMMIT.
    """

    def __init__(self, *, sign: str | None) -> None:
        usual = connections["default"]
        settings = copy.deepcopy(usual.settings_dict)
        settings["OPTIONS"].pop("pool", None)
        settings["OPTIONS"] |= {
            "options": f"{settings['OPTIONS'].get('options', '')} {_LIMITS} {_PLANS}".strip(),
            "prepare_threshold": 5,  # Django's default is never
            "tcp_user_timeout": 3000,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "application_name": "stoa-ledger",
        }
        self._connection: Any = type(usual)(settings, alias="ledger")
        self._lock = lock_number(sign) if sign else None
        self._pipeline: Any = None
        self._backend: tuple[int, str] | None = None
        self._life = ""
        self._busy_since: float | None = None
        self._gate = threading.Lock()  # the watcher must not shut a socket whose number is already somebody else's

    @property
    def is_lost(self) -> bool:
        return self._connection.connection is None or bool(self._connection.connection.broken)

    def begin(self, *, patient: bool = True) -> Cursor:
        self._busy_since = time.monotonic()
        try:
            try:
                return self._begin(patient)
            except DatabaseError:
                if self._connection.connection is None or not self.is_lost:
                    raise
                self.close()  # it was stale; a fresh one may well work
            return self._begin(patient)
        except BaseException:
            self._busy_since = None
            raise

    def commit(self) -> None:
        transaction = None
        try:
            with self._connection.wrap_database_errors:
                transaction = self._number.fetchone()[0]
                self._cursor.execute("COMMIT")
                self._leave_pipeline()
        except DatabaseError as error:
            if not self.is_lost:
                self.rollback()
                raise
            self.close()
            if transaction is None or not self._was_committed(transaction, life=self._life):
                self.close()
                raise
            logger.warning("The connection broke while committing; the transaction is there: %s", error)
        finally:
            self._busy_since = None

    def rollback(self) -> None:
        self._busy_since = None
        try:
            with self._connection.wrap_database_errors:
                with contextlib.suppress(self._connection.Database.Error):
                    self._leave_pipeline()  # which raises what went wrong in it once more
                cursor_on(self._connection).execute("ROLLBACK")
        except DatabaseError:
            self.close()

    def _leave_pipeline(self) -> None:
        """Wait until everything that was sent has been answered. Raises what went wrong."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.__exit__(None, None, None)

    def rest(self) -> None:
        """No need: PostgreSQL looks after its own log."""

    def watch(self, *, idle_seconds: float) -> None:
        """Cut the connection of a transaction that has taken impossibly long: whoever waits for it gets an error."""
        with self._gate:
            since, driver = self._busy_since, self._connection.connection
            if since is None or driver is None or time.monotonic() - since < STUCK_SECONDS:
                return
            self._busy_since = None
            logger.error("The database does not answer; its connection is cut")
            try:
                with socket.socket(fileno=os.dup(driver.fileno())) as wire:
                    wire.shutdown(socket.SHUT_RDWR)
            except Exception:
                logger.exception("Cutting the connection failed")

    def close(self) -> None:
        self._pipeline = None
        with self._gate:
            self._connection.close()

    def _begin(self, patient: bool) -> Cursor:
        if self._connection.connection is None:
            self._open()
        with self._connection.wrap_database_errors:
            self._pipeline = self._connection.connection.pipeline()
            self._pipeline.__enter__()
            self._cursor, self._number = cursor_on(self._connection), cursor_on(self._connection)
            self._cursor.execute("BEGIN")
            self._number.execute("SELECT pg_current_xact_id()::text")
            if not patient:
                self._cursor.execute(_SHORT_LOCK)
        return self._cursor

    def _open(self) -> None:
        previous, self._backend = self._backend, None
        self._connection.ensure_connection()
        with self._connection.wrap_database_errors:
            cursor = cursor_on(self._connection)
            if previous is not None:
                # Ours may live on there, in a transaction, and with our sign of life, until it notices that we left.
                cursor.execute(f"SELECT pg_terminate_backend(pid) {_SAME_BACKEND}", previous)
            own = "FROM pg_stat_activity WHERE pid = pg_backend_pid()"
            cursor.execute(f"SELECT pid, backend_start::text, {_SERVER_LIFE} {own}")
            *backend, self._life = cursor.fetchone()
            self._backend = tuple(backend)
            if self._lock is not None:
                cursor.execute("SELECT pg_advisory_lock(%s)", (self._lock,))

    def _was_committed(self, transaction: str, *, life: str) -> bool:
        """What became of the transaction whose COMMIT was cut off. Raises CommitUnknown if nobody can tell in time.

        A server that crashed may have given the number of what it lost to another transaction. So only in the same life
        does "committed" mean ours.
        """
        deadline = time.monotonic() + RESOLVE_SECONDS
        while time.monotonic() < deadline:
            try:
                status = self._status(transaction)
                if status == "aborted":
                    return False
                if status == "committed":
                    if self._life == life:
                        return True
                    break
            except DatabaseError:
                self.close()
            time.sleep(0.1)
        raise CommitUnknown("The database went away while it committed.")

    def _status(self, transaction: str) -> str | None:
        if self._connection.connection is None:
            self._open()
        with self._connection.wrap_database_errors:
            cursor = cursor_on(self._connection)
            cursor.execute("SELECT pg_xact_status(%s::xid8)", (transaction,))
            status: str | None = cursor.fetchone()[0]
        return status
