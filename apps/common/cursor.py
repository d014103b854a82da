"""The cursor that functions of the group-commit writer work with, on SQLite and on PostgreSQL."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import Any

import orjson
from django.db.backends.base.base import BaseDatabaseWrapper

Columns = Mapping[str, str]  # names with their types in PostgreSQL, such as bigint, text, timestamptz
Rows = Sequence[Sequence[Any]]
NOWHERE: Mapping[str, str] = {}


class Cursor(ABC):
    """The driver's own cursor, without Django's layer over it, and what a batch needs to be read and written at once.

    Statements keep their text whatever the number of rows, so that a database need not read it again: SQLite runs one
    for each row, PostgreSQL one for all. Conditions name a column of the rows given `new.column`.
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
    def insert(
        self,
        table: str,
        columns: Columns,
        rows: Rows,
        *,
        where: str = "",
        found_in: Mapping[str, str] = NOWHERE,
        or_ignore: bool = False,
    ) -> None:
        """Insert rows, those where a condition holds. `found_in`: tables of columns that are ids of theirs, stored as
        NULL if they are gone. `or_ignore`: a row that is there already stays as it is."""

    @abstractmethod
    def insert_new(
        self, table: str, columns: Columns, rows: Rows, *, where: str = "", found_in: Mapping[str, str] = NOWHERE
    ) -> set[Any]:
        """As `insert`, of rows whose id is not there yet; the ids of those that were inserted."""

    @abstractmethod
    def update(self, table: str, columns: Columns, rows: Rows, *, where: str = "") -> None:
        """Set columns of rows that are found by the first one, where another condition holds as well."""

    @abstractmethod
    def update_found(self, table: str, columns: Columns, rows: Rows, *, where: str) -> set[Any]:
        """As `update`, of rows that are found by their id; the ids of those where the condition held."""

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


TOGETHER = 16  # rows that SQLite inserts with one statement, in a third less time than one by one


class _SQLiteCursor(Cursor):
    """Has one writer at a time, so that nothing needs to be locked."""

    is_sqlite = True

    def _open(self, connection: Any) -> Any:
        return connection.connection.cursor()

    def instant(self, value: datetime | None) -> Any:
        """What Django makes of it, which takes ten times as long; `isoformat` takes three times as long."""
        if value is None:
            return None
        written = orjson.dumps(value if value.tzinfo is UTC else value.astimezone(UTC), option=orjson.OPT_UTC_Z)
        return written[1:-2].decode().replace("T", " ")

    def stored(self, column: str) -> str:
        return f"CAST({column} AS TEXT)"

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        self._cursor.execute(_question_marks(sql), parameters)

    def executemany(self, sql: str, rows: Rows) -> None:
        self._cursor.executemany(_question_marks(sql), rows)

    def select(self, columns: str, table: str, ids: Sequence[Any], *, lock: str = "") -> list[Any]:
        wanted = "SELECT value FROM json_each(?)"
        sql = f"SELECT {columns} FROM {table} WHERE id IN ({wanted}) ORDER BY id"
        rows: list[Any] = self._cursor.execute(sql, (orjson.dumps(ids).decode(),)).fetchall()
        return rows

    def insert(
        self,
        table: str,
        columns: Columns,
        rows: Rows,
        *,
        where: str = "",
        found_in: Mapping[str, str] = NOWHERE,
        or_ignore: bool = False,
    ) -> None:
        names = tuple(columns)
        whole = 0 if where or found_in or or_ignore else len(rows) - len(rows) % TOGETHER
        if whole:
            some = [[*chain.from_iterable(rows[start : start + TOGETHER])] for start in range(0, whole, TOGETHER)]
            self._cursor.executemany(_insert_together(table, names), some)
        if whole < len(rows):
            sql = _numbered(_insert(table, names, "", where, tuple(found_in.items()), or_ignore), names)
            self._cursor.executemany(sql, rows[whole:])

    def insert_new(
        self, table: str, columns: Columns, rows: Rows, *, where: str = "", found_in: Mapping[str, str] = NOWHERE
    ) -> set[Any]:
        sql = _numbered(_insert(table, tuple(columns), "", where, tuple(found_in.items()), True), tuple(columns))
        return {row[0] for row in rows if self._cursor.execute(sql, row).rowcount}

    def update(self, table: str, columns: Columns, rows: Rows, *, where: str = "") -> None:
        self._cursor.executemany(_numbered(_update(table, tuple(columns), "", where), tuple(columns)), rows)

    def update_found(self, table: str, columns: Columns, rows: Rows, *, where: str) -> set[Any]:
        sql = _numbered(_update(table, tuple(columns), "", where), tuple(columns))
        return {row[0] for row in rows if self._cursor.execute(sql, row).rowcount}

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

    def insert(
        self,
        table: str,
        columns: Columns,
        rows: Rows,
        *,
        where: str = "",
        found_in: Mapping[str, str] = NOWHERE,
        or_ignore: bool = False,
    ) -> None:
        sql = _insert(table, tuple(columns), "FROM new", where, tuple(found_in.items()), or_ignore)
        self._cursor.execute(f"{_given(columns)} {sql}", by_column(rows))

    def insert_new(
        self, table: str, columns: Columns, rows: Rows, *, where: str = "", found_in: Mapping[str, str] = NOWHERE
    ) -> set[Any]:
        sql = _insert(table, tuple(columns), "FROM new", where, tuple(found_in.items()), True)
        self._cursor.execute(f"{_given(columns)} {sql} RETURNING id", by_column(rows))
        return {row[0] for row in self.fetchall()}

    def update(self, table: str, columns: Columns, rows: Rows, *, where: str = "") -> None:
        sql = _update(table, tuple(columns), "FROM new", where)
        self._cursor.execute(f"{_given(columns)} {sql}", by_column(rows))

    def update_found(self, table: str, columns: Columns, rows: Rows, *, where: str) -> set[Any]:
        found = f"SELECT {table}.id FROM {table} JOIN new USING (id) WHERE {where} ORDER BY id FOR UPDATE OF {table}"
        sql = _update(table, tuple(columns), "FROM new JOIN found USING (id)", "")
        self._cursor.execute(f"{_given(columns)}, found AS ({found}) {sql} RETURNING {table}.id", by_column(rows))
        return {row[0] for row in self.fetchall()}

    def exclusively(self, lock: int) -> None:
        self.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))


def by_column(rows: Rows) -> list[str]:
    """Rows as PostgreSQL takes them: one array for each column."""
    return [_array(column) for column in zip(*rows, strict=True)]


def _array(values: Sequence[Any]) -> str:
    """An array as PostgreSQL writes it, which the driver would take ten times as long to put together."""
    return f"{{{','.join(['NULL' if value is None else _element(value) for value in values])}}}"


def _element(value: Any) -> str:
    if type(value) is int:
        return str(value)
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _given(columns: Columns) -> str:
    arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
    return f"WITH new ({_names(tuple(columns))}) AS (SELECT * FROM unnest({arrays}))"


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


@lru_cache(maxsize=256)
def _insert(
    table: str,
    columns: tuple[str, ...],
    source: str,
    where: str,
    found_in: tuple[tuple[str, str], ...],
    or_ignore: bool,
) -> str:
    found = {name: f"(SELECT id FROM {other} WHERE id = new.{name})" for name, other in found_in}
    values = ", ".join(found.get(name, f'new."{name}"') for name in columns)
    ignored = " ON CONFLICT DO NOTHING" if or_ignore else ""
    into = f"INSERT INTO {table} ({_names(columns)})"
    if not source and not where:
        return f"{into} VALUES ({values}){ignored}"
    return f"{into} SELECT {values} {source}{f' WHERE {where}' if where else ''}{ignored}"


@lru_cache(maxsize=256)
def _insert_together(table: str, columns: tuple[str, ...]) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({_names(columns)}) VALUES {', '.join([row] * TOGETHER)}"


@lru_cache(maxsize=256)
def _update(table: str, columns: tuple[str, ...], source: str, where: str) -> str:
    key, *others = columns
    changes = ", ".join(f'"{name}" = new."{name}"' for name in others)
    condition = f" AND {where}" if where else ""
    return f"UPDATE {table} SET {changes} {source} WHERE {table}.{key} = new.{key}{condition}"


@lru_cache(maxsize=256)
def _numbered(sql: str, columns: tuple[str, ...]) -> str:
    """The statement for one row, whose columns are its parameters."""
    return re.sub(r'\bnew\."?(\w+)"?', lambda match: f"?{columns.index(match[1]) + 1}", sql)


@lru_cache(maxsize=256)
def _question_marks(sql: str) -> str:
    return sql.replace("%s", "?")
