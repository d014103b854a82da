"""The ledger's tables on a real database, as tests of its whole life use them: on the run's own database, and on a
SQLite of their own that takes the same steps beside it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3.base import DatabaseWrapper

from apps.common.cursor import cursor_on
from apps.quotas.ledger import leases, ledger
from apps.quotas.ledger.leases import Checkpoint, Left
from apps.quotas.ledger.movements import Movement, Outcome
from apps.quotas.models import Hold, LedgerEntry, WeeklyUsage
from tests.quotas.model import WeekKey


class LostConnection(Exception):
    """The database went away at the commit."""


class Books:
    """One database, within a transaction that the test opened; its savepoints are the transactions of the writer."""

    def __init__(self, database: BaseDatabaseWrapper) -> None:
        self.database = database
        self._cursor = cursor_on(database)

    def apply(self, movements: Sequence[Movement], *, fate: str) -> list[Outcome]:
        return self._transact(lambda: ledger.apply(self._cursor, movements), fate)

    def checkpoint(self, hold: str, amount: int, *, fate: str) -> None:
        self._transact(lambda: leases.write(self._cursor, [[Checkpoint(hold, amount)]]), fate)

    def left_behind(self, dead: set[str], now: datetime) -> list[str]:
        return leases.left_behind(self._cursor, [Left(tuple(sorted(dead)), now)])[0]

    def _transact(self, work: Callable[[], Any], fate: str) -> Any:
        """`before`: it went away before the commit was done, `after`: once it was done."""
        self._run("SAVEPOINT writer")
        try:
            result = work()
            if fate == "before":
                raise LostConnection
        except BaseException:
            self._run("ROLLBACK TO SAVEPOINT writer")
            raise
        self._run("RELEASE SAVEPOINT writer")
        if fate == "after":
            raise LostConnection
        return result

    def weeks(self) -> dict[WeekKey, tuple[int, int, int]]:
        rows = self._rows("SELECT kind, account, starts_at, used, held, granted FROM quotas_weeklyusage")
        return {(row[0], row[1], self._cursor.read_instant(row[2])): tuple(row[3:]) for row in rows}

    def sums(self) -> dict[WeekKey, tuple[int, int, int]]:
        """What the journal adds up to."""
        rows = self._rows(
            "SELECT w.kind, w.account, w.starts_at, coalesce(sum(used_delta), 0), coalesce(sum(held_delta), 0),"
            " coalesce(sum(granted_delta), 0) FROM quotas_weeklyusage w"
            " LEFT JOIN quotas_ledgerentry e ON e.usage_id = w.id GROUP BY w.id, w.kind, w.account, w.starts_at"
        )
        return {(row[0], row[1], self._cursor.read_instant(row[2])): tuple(map(int, row[3:])) for row in rows}

    def holds(self) -> dict[str, tuple[str, int, int, int]]:
        rows = self._rows("SELECT id, state, amount, charged, checkpoint FROM quotas_hold")
        return {id: (state, amount, charged or 0, checkpoint) for id, state, amount, charged, checkpoint in rows}

    def excess(self) -> dict[str, int]:
        """What each call charged beyond its hold, on each of its weeks."""
        rows = self._rows(
            "SELECT DISTINCT hold, sum(used_delta) FROM quotas_ledgerentry"
            " WHERE kind = 'excess' GROUP BY hold, usage_id"
        )
        return {hold: int(excess) for hold, excess in rows if excess}

    def start_over(self) -> None:
        self._run("ROLLBACK TO SAVEPOINT example")

    def start(self) -> None:
        if self.database.vendor == "postgresql":  # which would go on reading the rows of all examples before
            self._run("TRUNCATE quotas_weeklyusage, quotas_hold, quotas_ledgerentry")
        self._run("SAVEPOINT example")

    def _rows(self, sql: str) -> list[Any]:
        self._run(sql)
        return self._cursor.fetchall()

    def _run(self, sql: str) -> None:
        self._cursor.execute(sql)


@contextmanager
def all_books() -> Iterator[list[Books]]:
    """Those of the run's database, and of a SQLite beside it if that is another."""
    connection.ensure_connection()
    books = [Books(connection)]
    if connection.vendor == "sqlite":
        yield books
        return
    settings = {**connection.settings_dict, "ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "OPTIONS": {}}
    beside = DatabaseWrapper(settings, alias="beside")
    try:
        beside.ensure_connection()
        with beside.schema_editor(atomic=False) as editor:
            for model in (WeeklyUsage, Hold, LedgerEntry):
                editor.create_model(model)
        cursor_on(beside).execute("BEGIN")
        yield [*books, Books(beside)]
    finally:
        beside.close()
