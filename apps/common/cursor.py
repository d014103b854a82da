"""The cursor that functions of the group-commit writer work with."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


class Cursor:
    """What functions of the writer get: the driver's own cursor, for SQL with `%s` placeholders on either database.

    Django's cursor would rewrite every statement each time it runs; here that happens once for each.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._cursor = connection.connection.cursor()
        self.is_sqlite = connection.vendor == "sqlite"
        self._operations = connection.ops
        self.wrap_errors = connection.wrap_database_errors
        self.for_update = "" if self.is_sqlite else " FOR UPDATE"
        self.keep = "" if self.is_sqlite else " FOR KEY SHARE"  # nobody deletes the row before we are done

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        self._cursor.execute(_question_marks(sql) if self.is_sqlite else sql, parameters)

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._cursor.executemany(_question_marks(sql) if self.is_sqlite else sql, rows)

    def exclusively(self, lock: int) -> None:
        """Until the transaction ends, have nobody else go past the same number. SQLite has one writer at a time."""
        if not self.is_sqlite:
            self.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))

    def next_result(self) -> None:
        """Go on to the next of several statements that were executed together."""
        self._cursor.nextset()

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
