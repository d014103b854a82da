"""SQLite's write-ahead log is brought into the database when that disturbs least."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection, connections

from apps.common import sqlite_session
from apps.common.sessions import Session, open_session
from apps.common.sqlite_session import IDLE_SECONDS

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL looks after its own log")


@pytest.fixture
def session(committed_db: None, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """In a database of the test's own: a gateway beside it that reads keeps part of the log from being brought in."""
    monkeypatch.setattr(sqlite_session, "LEAST_LOG", 10)
    monkeypatch.setattr(sqlite_session, "MOST_LOG", 100)
    session = open_session()
    write(session, pages=1)
    watch(session, idle_seconds=IDLE_SECONDS, least=0)
    yield session
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS test_log")
    session.close()


def write(session: Session, *, pages: int) -> None:
    cursor = session.begin()
    cursor.execute("CREATE TABLE IF NOT EXISTS test_log (text TEXT)")
    cursor.executemany("INSERT INTO test_log VALUES (%s)", [("x" * 4000,)] * pages)
    session.commit()


def watch(session: Session, *, idle_seconds: float, least: int | None = None) -> None:
    """As the writer's thread beside does."""

    def run() -> None:
        with pytest.MonkeyPatch.context() as patch:
            if least is not None:
                patch.setattr(sqlite_session, "LEAST_LOG", least)
            session.watch(idle_seconds=idle_seconds)
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def left_in_log() -> int:
    """Pages that are not in the database yet."""
    with connection.cursor() as cursor:
        ((_, pages, done),) = cursor.execute("PRAGMA wal_checkpoint(NOOP)").fetchall()
    return int(pages - done)


@pytest.mark.parametrize(
    ("pages", "idle", "is_left"),
    [(5, IDLE_SECONDS, True), (20, IDLE_SECONDS, False), (20, 0.0, True), (200, 0.0, False)],
    ids=["idle, short", "idle, not short", "busy, not long", "busy, long"],
)
def test_what_is_brought_into_the_database(session: Session, pages: int, idle: float, is_left: bool) -> None:
    write(session, pages=pages)

    watch(session, idle_seconds=idle)

    assert (left_in_log() > 0) == is_left


def test_the_writer_brings_in_what_came_while_a_long_log_was_brought_in(session: Session) -> None:
    write(session, pages=200)
    watch(session, idle_seconds=0)
    write(session, pages=2)
    before = left_in_log()

    session.rest()

    assert before > 0
    assert left_in_log() == 0


def test_the_writer_does_nothing_when_the_log_is_not_long(session: Session) -> None:
    write(session, pages=20)

    session.rest()

    assert left_in_log() > 0


def test_a_log_that_cannot_be_brought_in_is_only_logged(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    """As when the disk is full: the writer's thread goes on."""
    write(session, pages=200)
    watch(session, idle_seconds=0)
    connection.connection.set_authorizer(_no_checkpoint)

    session.rest()

    connection.connection.set_authorizer(None)
    assert "could not be started over" in caplog.text
    write(session, pages=1)


def _no_checkpoint(action: int, name: str | None, *_: str | None) -> int:
    return sqlite3.SQLITE_DENY if name == "wal_checkpoint" else sqlite3.SQLITE_OK
