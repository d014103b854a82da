"""The session of a group-commit writer on SQLite; `apps.common.sessions` says what it promises."""

import logging
import time
from typing import Any

from django.db import DatabaseError, connections

from apps.common.cursor import Cursor, cursor_on

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.0002
IDLE_SECONDS = 0.1
LEAST_LOG, MOST_LOG = 1_000, 20_000  # pages of 4 kB in SQLite's log that are not in the database yet
_MEASURE_LOG = "PRAGMA wal_checkpoint(NOOP)"
_SHORTEN_LOG = "PRAGMA wal_checkpoint(PASSIVE)"


class SQLiteSession:
    """Brings SQLite's write-ahead log into the database file when that disturbs least.

    Left to itself, SQLite does so within whichever commit makes the log long, and that commit waits for the disk. The
    watching thread does it beside the commits: when there are none, or when the log has become long. In the latter case
    the writer does the little that has come since: then nothing is left, and the log starts over instead of growing.
    """

    BEGIN = "BEGIN IMMEDIATE"

    def __init__(self, *, lock_seconds: float) -> None:
        self._connection: Any = connections["default"]
        self._lock_seconds = lock_seconds
        self._cursor: Cursor | None = None
        self._log_is_due = False
        self.is_lost = False

    def begin(self, *, patient: bool = True) -> Cursor:
        """Asks again every 0.2 ms while another process writes to the same file."""
        cursor = self._cursor or self._connect()
        deadline = 0.0
        while True:
            try:
                with cursor.wrap_errors:
                    cursor.execute(self.BEGIN)
                return cursor
            except DatabaseError as error:
                deadline = deadline or time.monotonic() + self._lock_seconds
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(RETRY_SECONDS)

    def commit(self) -> None:
        assert self._cursor is not None  # noqa: S101  # it has begun
        try:
            with self._cursor.wrap_errors:
                self._cursor.execute("COMMIT")
        except BaseException:
            self.rollback()  # a reference that leads nowhere, say, leaves the transaction open
            raise

    def rollback(self) -> None:
        assert self._cursor is not None  # noqa: S101  # it has begun
        try:
            self._cursor.execute("ROLLBACK")
        except self._connection.Database.Error:
            logger.warning("Rolling back failed; the connection is replaced")
            self.close()

    def rest(self) -> None:
        if self._log_is_due:
            self._log_is_due = False
            try:
                cursor = self._cursor or self._connect()
                with cursor.wrap_errors:
                    cursor.execute(_SHORTEN_LOG)
                    cursor.fetchall()  # else it goes on into the next transaction
            except DatabaseError as error:
                logger.warning("The write-ahead log could not be started over: %s", error)

    def watch(self, *, idle_seconds: float) -> None:
        connection = connections["default"]  # the watching thread's own
        try:
            with connection.cursor() as cursor:
                ((_, pages, done),) = cursor.execute(_MEASURE_LOG).fetchall()
                if pages - done > (MOST_LOG if idle_seconds < IDLE_SECONDS else LEAST_LOG):
                    cursor.execute(_SHORTEN_LOG)
                    self._log_is_due = idle_seconds < IDLE_SECONDS
        except DatabaseError as error:
            logger.warning("The write-ahead log could not be brought into the database: %s", error)

    def close(self) -> None:
        self._cursor = None
        self._connection.close()

    def _connect(self) -> Cursor:
        self._connection.ensure_connection()
        with self._connection.wrap_database_errors:
            cursor = cursor_on(self._connection)
            cursor.execute("PRAGMA busy_timeout=0")
        self._cursor = cursor
        return cursor


class SQLiteReading(SQLiteSession):
    """Reads as of its first statement, also while somebody else writes, and leaves the log to the writers."""

    BEGIN = "BEGIN"

    def rest(self) -> None:
        pass

    def watch(self, *, idle_seconds: float) -> None:
        pass
