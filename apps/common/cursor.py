"""The cursor that functions of the group-commit writer work with, on SQLite and on PostgreSQL."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

Columns = Mapping[str, str]  # names with their types in PostgreSQL, such as bigint, text, timestamptz
Rows = Sequence[Sequence[Any]]


class Cursor(ABC):
    """The driver's own cursor, without Django's layer over it, and what a batch needs to be read and written at once.

    One statement for all rows lets go of the interpreter once, where one for each would contend for it every time.
    """

    is_sqlite: bool

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._cursor: Any = self._open(connection)
        self._operations = connection.ops
        self.wrap_errors = connection.wrap_database_errors

    @abstractmethod
    def _open(self, connection: Any) -> Any: ...

    @abstractmethod
    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement with `%s` placeholders."""

    @abstractmethod
    def executemany(self, sql: str, rows: Rows) -> None: ...

    @abstractmethod
    def select(self, columns: str, table: str, ids: Sequence[Any], *, lock: str = "") -> list[Any]:
        """The rows with these ids, in the order of their ids. `lock`: keep others from changing them (`FOR UPDATE`)
        or from deleting them (`FOR KEY SHARE`) until the transaction ends."""

    @abstractmethod
    def insert(self, table: str, columns: Columns, rows: Rows) -> None: ...

    @abstractmethod
    def insert_new(self, table: str, columns: Columns, rows: Rows) -> set[Any]:
        """Insert rows whose id is not there yet; their ids."""

    @abstractmethod
    def update(self, table: str, columns: Columns, rows: Rows, *, where: str = "") -> None:
        """Set columns of rows that are found by the first one, where another condition holds as well."""

    @abstractmethod
    def exclusively(self, lock: int) -> None:
        """Until the transaction ends, have nobody else go past the same number."""

    def fetchone(self) -> Any:
        return self._cursor.fetchone()

    def fetchall(self) -> list[Any]:
        rows: list[Any] = self._cursor.fetchall()
        return rows

    def instant(self, value: datetime | None) -> Any:
        """An instant in the form in which the database stores it."""
        return self._operations.adapt_datetimefield_value(value)

    def stored(self, column: str) -> str:
        """An instant's column, for a query that takes it in the form of `instant`, which need not be read."""
        return column

    @staticmethod
    def read_instant(value: datetime) -> datetime:
        """An instant as it comes out of the database, in UTC: SQLite stores none of its time zone."""
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def cursor_on(connection: BaseDatabaseWrapper) -> Cursor:
    """A cursor on an open connection."""
    return _SQLiteCursor(connection) if connection.vendor == "sqlite" else _PostgreSQLCursor(connection)


class _SQLiteCursor(Cursor):
    """Has one writer at a time, so that nothing needs to be locked."""

    is_sqlite = True

    def _open(self, connection: Any) -> Any:
        return connection.connection.cursor()

    def instant(self, value: datetime | None) -> Any:
        """What Django makes of it, which takes five times as long."""
        return None if value is None else value.astimezone(UTC).isoformat(" ").removesuffix("+00:00")

    def stored(self, column: str) -> str:
        return f"CAST({column} AS TEXT)"

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        self._cursor.execute(_question_marks(sql), parameters)

    def executemany(self, sql: str, rows: Rows) -> None:
        self._cursor.executemany(_question_marks(sql), rows)

    def select(self, columns: str, table: str, ids: Sequence[Any], *, lock: str = "") -> list[Any]:
        marks = _marks(1, len(ids))
        return list(self._cursor.execute(f"SELECT {columns} FROM {table} WHERE id IN {marks} ORDER BY id", ids))

    def insert(self, table: str, columns: Columns, rows: Rows) -> None:
        for some in _bounded(rows, len(columns)):
            self._cursor.execute(_insert(table, tuple(columns), len(some)), _flat(some))

    def insert_new(self, table: str, columns: Columns, rows: Rows) -> set[Any]:
        new: set[Any] = set()
        for some in _bounded(rows, len(columns)):
            sql = f"{_insert(table, tuple(columns), len(some))} ON CONFLICT (id) DO NOTHING RETURNING id"
            new |= {row[0] for row in self._cursor.execute(sql, _flat(some))}
        return new

    def update(self, table: str, columns: Columns, rows: Rows, *, where: str = "") -> None:
        for some in _bounded(rows, len(columns)):
            given = f"WITH new ({', '.join(columns)}) AS (VALUES {_marks(len(some), len(columns))})"
            self._cursor.execute(f"{given} {_update(table, tuple(columns), where)}", _flat(some))

    def exclusively(self, lock: int) -> None:
        pass


class _PostgreSQLCursor(Cursor):
    """Rows travel as one array for each column: the text of a statement stays the same, and is parsed once."""

    is_sqlite = False

    def _open(self, connection: Any) -> Any:
        import psycopg

        return psycopg.Cursor(connection.connection)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        self._cursor.execute(sql, parameters or None)

    def executemany(self, sql: str, rows: Rows) -> None:
        self._cursor.executemany(sql, rows)

    def select(self, columns: str, table: str, ids: Sequence[Any], *, lock: str = "") -> list[Any]:
        self._cursor.execute(f"SELECT {columns} FROM {table} WHERE id = ANY(%s) ORDER BY id {lock}", [_array(ids)])
        return self.fetchall()

    def insert(self, table: str, columns: Columns, rows: Rows) -> None:
        sql = f"INSERT INTO {table} ({_names(columns)}) SELECT * FROM {_unnest(columns)}"
        self._cursor.execute(sql, _by_column(rows))

    def insert_new(self, table: str, columns: Columns, rows: Rows) -> set[Any]:
        sql = f"INSERT INTO {table} ({_names(columns)}) SELECT * FROM {_unnest(columns)}"
        self._cursor.execute(f"{sql} ON CONFLICT (id) DO NOTHING RETURNING id", _by_column(rows))
        return {row[0] for row in self.fetchall()}

    def update(self, table: str, columns: Columns, rows: Rows, *, where: str = "") -> None:
        given = f"WITH new ({_names(columns)}) AS (SELECT * FROM {_unnest(columns)})"
        self._cursor.execute(f"{given} {_update(table, tuple(columns), where)}", _by_column(rows))

    def exclusively(self, lock: int) -> None:
        self.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))


MAX_VALUES = 30_000  # in one statement of SQLite


def _bounded(rows: Rows, columns: int) -> list[Rows]:
    most = MAX_VALUES // columns
    return [rows[start : start + most] for start in range(0, len(rows), most)]


def _flat(rows: Rows) -> list[Any]:
    return list(chain.from_iterable(rows))


def _by_column(rows: Rows) -> list[str]:
    return [_array(column) for column in zip(*rows, strict=True)]


def _array(values: Sequence[Any]) -> str:
    """An array as PostgreSQL writes it, which the driver would take ten times as long to put together."""
    return f"{{{','.join(['NULL' if value is None else _element(value) for value in values])}}}"


def _element(value: Any) -> str:
    if type(value) is int:
        return str(value)
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _names(columns: Columns) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _unnest(columns: Columns) -> str:
    return f"unnest({', '.join(f'%s::{kind}[]' for kind in columns.values())})"


@lru_cache(maxsize=4096)
def _question_marks(sql: str) -> str:
    return sql.replace("%s", "?")


@lru_cache(maxsize=4096)
def _marks(rows: int, columns: int) -> str:
    """`(?, ?), (?, ?)`: the placeholders of so many rows."""
    return ", ".join([f"({', '.join('?' * columns)})"] * rows)


@lru_cache(maxsize=4096)
def _insert(table: str, columns: tuple[str, ...], rows: int) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {table} ({names}) VALUES {_marks(rows, len(columns))}"


@lru_cache(maxsize=256)
def _update(table: str, columns: tuple[str, ...], where: str) -> str:
    key, *others = columns
    changes = ", ".join(f"{name} = new.{name}" for name in others)
    condition = f" AND {where}" if where else ""
    return f"UPDATE {table} SET {changes} FROM new WHERE {table}.{key} = new.{key}{condition}"
