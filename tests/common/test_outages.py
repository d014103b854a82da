"""An outage is told by what the connection says: a bad statement never passes for a database that is away."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError, connection
from psycopg import errors as psycopg_errors

from apps.common.outages import Outage, OutageNews, Trouble, trouble


def said_by_sqlite(statement: str, *, path: Path | str = ":memory:") -> OperationalError:
    """The error as Django hands it on."""
    found = OperationalError()
    try:
        sqlite3.connect(path, timeout=0).execute(statement)
    except sqlite3.OperationalError as error:
        found.args, found.__cause__ = error.args, error
    assert found.__cause__ is not None
    return found


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT " + " UNION ALL SELECT ".join(["1"] * 600),  # too many terms
        "SELECT " + "+".join(["1"] * 2000),  # too deep
        "SELECT * FROM nowhere",
    ],
)
def test_a_statement_that_sqlite_refuses_is_a_mistake(statement: str) -> None:
    assert trouble(said_by_sqlite(statement)) is Trouble.MISTAKE


def test_a_locked_sqlite_is_busy(tmp_path: Path) -> None:
    path = tmp_path / "db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE t (x)")
    holder.execute("BEGIN EXCLUSIVE")

    found = trouble(said_by_sqlite("INSERT INTO t VALUES (1)", path=path))

    holder.close()
    assert found is Trouble.BUSY


def test_a_sqlite_that_cannot_be_opened_is_away(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"no database" * 1000)

    assert trouble(said_by_sqlite("SELECT 1", path=tmp_path / "nowhere" / "db")) is Trouble.AWAY
    with pytest.raises(sqlite3.DatabaseError) as error:
        sqlite3.connect(damaged).execute("SELECT * FROM sqlite_master")
    wrapped = OperationalError()
    wrapped.__cause__ = error.value
    assert trouble(wrapped) is Trouble.AWAY


@pytest.mark.parametrize(
    ("said", "means"),
    [
        (psycopg_errors.AdminShutdown, Trouble.AWAY),
        (psycopg_errors.CannotConnectNow, Trouble.AWAY),
        (psycopg_errors.TooManyConnections, Trouble.AWAY),
        (psycopg_errors.DiskFull, Trouble.AWAY),
        (psycopg_errors.ConnectionFailure, Trouble.AWAY),
        (psycopg_errors.OperationalError, Trouble.AWAY),  # no state: nobody was there to give one
        (psycopg_errors.QueryCanceled, Trouble.BUSY),
        (psycopg_errors.DeadlockDetected, Trouble.BUSY),
        (psycopg_errors.SerializationFailure, Trouble.BUSY),
        (psycopg_errors.LockNotAvailable, Trouble.BUSY),
        (psycopg_errors.StatementTooComplex, Trouble.MISTAKE),
    ],
)
def test_postgresql_says_it_by_its_state(said: type[Exception], means: Trouble) -> None:
    error = OperationalError()
    error.__cause__ = said("as PostgreSQL puts it")

    assert trouble(error) is means


def test_what_has_no_connection_behind_it() -> None:
    assert trouble(OperationalError("The database was away a moment ago.")) is Trouble.AWAY
    assert trouble(InterfaceError("connection already closed")) is Trouble.AWAY
    assert trouble(ProgrammingError("no such column")) is trouble(ValueError()) is None


def test_the_log_says_which_it_is(caplog: pytest.LogCaptureFixture) -> None:
    Outage("database").began(said_by_sqlite("SELECT * FROM nowhere"))

    assert caplog.messages == ["The database refused a statement: no such table: nowhere"]


@pytest.mark.django_db
def test_django_keeps_what_the_driver_said() -> None:
    with pytest.raises((OperationalError, ProgrammingError)) as raised, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM nowhere")

    error: Any = raised.value
    assert trouble(error) in (Trouble.MISTAKE, None)


def test_what_comes_and_goes_all_the_time_is_said_now_and_then() -> None:
    said = OutageNews(most=2, seconds=60)

    def news(times: int, *, first: int) -> list[tuple[int, bool]]:
        """Away in even seconds, back in odd ones."""
        seconds = range(first, first + times)
        return [(now, now % 2 == 0) for now in seconds if said.is_news(is_away=now % 2 == 0, now=now)]

    assert news(50, first=0) == [(0, True), (1, False), (2, True), (3, False)]
    assert not said.is_news(is_away=True, now=52)
    assert said.is_news(is_away=True, now=61), "It is still away, so it is said after all."
    assert said.is_news(is_away=False, now=62)
