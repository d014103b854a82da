"""A student's week as they see it: the balances, the latest lines of their own account, and their requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.common.cursor import Cursor
from apps.quotas import requests
from apps.quotas.ledger import ledger
from apps.quotas.ledger.movements import Account, Balance
from apps.quotas.models import BY_STAFF
from apps.quotas.models.sections import SECTION, SECTIONS_BETWEEN

LAST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An entry of the ledger. `call` is the request's id, or empty for what staff did."""

    kind: str
    call: str
    held: int
    used: int
    granted: int
    note: str
    at: datetime

    @property
    def amount(self) -> int:
        """The change of what remains."""
        return self.granted - self.held - self.used


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """`balances` are in the order of the accounts; `lines` and `requests` are newest first."""

    balances: tuple[Balance, ...]
    lines: tuple[Line, ...]
    requests: tuple[requests.RequestView, ...]


def read(cursor: Cursor, units: Sequence[tuple[Account, ...]]) -> list[Statement]:
    """For the writer: the statement of each student. Each unit begins with the student's own account."""
    return [_statement(cursor, accounts) for accounts in units]


def _statement(cursor: Cursor, accounts: tuple[Account, ...]) -> Statement:
    own = accounts[0]
    (balances,) = ledger.balances(cursor, [accounts])
    (asked,) = requests.latest(cursor, [own.id])
    return Statement(balances=balances, lines=tuple(_lines(cursor, own)), requests=asked)


def _lines(cursor: Cursor, own: Account) -> list[Line]:
    cursor.execute(
        "SELECT id, opened_after, (SELECT MAX(id) FROM quotas_ledgerentry) FROM quotas_weeklyusage"
        " WHERE kind = %s AND account = %s AND starts_at = %s",
        (own.kind, own.id, cursor.instant(own.week.starts_at)),
    )
    week_id, opened_after, newest = cursor.fetchone() or (None, 0, None)
    if newest is None:
        return []
    cursor.execute(
        "SELECT kind, hold, held_delta, used_delta, granted_delta, note, at FROM quotas_ledgerentry"
        f" WHERE id / {SECTION} IN ({SECTIONS_BETWEEN}) AND usage_id = %s ORDER BY id DESC LIMIT %s",
        (opened_after, newest, week_id, LAST),
    )
    return [
        Line(
            kind=kind,
            call="" if kind in BY_STAFF else call,
            held=held,
            used=used,
            granted=granted,
            note=note,
            at=cursor.read_instant(at),
        )
        for kind, call, held, used, granted, note, at in cursor.fetchall()
    ]
