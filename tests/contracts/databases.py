"""A table for the contracts of cursors and sessions, in whichever database the run is over."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection

from apps.common.cursor import Columns, Cursor
from apps.common.sessions import Session

PATIENCE = 10.0
TABLE = "test_marks"
MARKS: Columns = {"id": "bigint", "name": "text", "number": "bigint", "at": "timestamptz", "parent_id": "bigint"}


class Table:
    """A table of marks, whose parents are marks as well and must be there by the commit.

    `committed` looks at it over a connection of its own.
    """

    def __init__(self) -> None:
        instant = "datetime" if connection.vendor == "sqlite" else "timestamptz"
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {TABLE}")
            cursor.execute(
                f"CREATE TABLE {TABLE} (id bigint PRIMARY KEY, name text, number bigint, at {instant},"
                f" parent_id bigint REFERENCES {TABLE} DEFERRABLE INITIALLY DEFERRED)"
            )
        self._reader: Any = _another_connection()

    def drop(self) -> None:
        self._reader.close()
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {TABLE}")

    @property
    def committed(self) -> list[tuple[int, str | None]]:
        return [tuple(row) for row in self._reader.execute(f"SELECT id, name FROM {TABLE} ORDER BY id")]


def _another_connection() -> Any:
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return sqlite3.connect(name, isolation_level=None, timeout=PATIENCE)
    return psycopg.connect(os.environ["DATABASE_URL"], dbname=name, autocommit=True)


@contextmanager
def transaction(session: Session) -> Iterator[Cursor]:
    """As the writer works with a session."""
    cursor = session.begin()
    try:
        with cursor.wrap_errors:
            yield cursor
    except BaseException:
        session.rollback()
        raise
    session.commit()


def add(cursor: Cursor, *rows: Sequence[Any]) -> None:
    """Rows may leave out what is to be NULL."""
    cursor.insert(TABLE, MARKS, [(*row, *[None] * (len(MARKS) - len(row))) for row in rows])
