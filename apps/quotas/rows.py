"""The ledger's rows: read once before a batch is decided and written once after it, in SQL that SQLite and PostgreSQL
share."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from apps.common.cursor import Cursor
from apps.quotas.fold import Fold, HoldRow, Key, WeekRow, key_of
from apps.quotas.movements import Account, Movement, Reserve


def load(cursor: Cursor, movements: Sequence[Movement]) -> Fold:
    """Read and lock what the movements concern, in an order in which no two writers ever wait for each other.

    Holds first, by id. Then missing weeks are made, by one writer at a time, which so far has locked no week. Then all
    weeks are locked, by id.
    """
    accounts = {key_of(account): account for m in movements if isinstance(m, Reserve) for account in m.accounts}
    if len(_week_ids) + len(accounts) > _MAX_WEEK_IDS:
        _week_ids.clear()
    holds = _load_holds(cursor, [m.hold for m in movements if not isinstance(m, Reserve)])
    drawn_on = {usage_id for hold in holds.values() for usage_id in hold.usage_ids}
    _make_weeks(cursor, [account for key, account in accounts.items() if key not in _week_ids])
    weeks = _load_weeks(cursor, {*drawn_on, *(_week_ids[key] for key in accounts)})
    lost = [account for key, account in accounts.items() if _is_not(weeks.get(_week_ids[key]), key)]
    if lost:  # made by a transaction that was rolled back, a moment ago and hardly ever
        _make_weeks(cursor, lost)
        weeks |= _load_weeks(cursor, {_week_ids[key_of(account)] for account in lost})
    return Fold(weeks=weeks, week_ids={key: _week_ids[key] for key in accounts}, holds=holds)


def _load_holds(cursor: Cursor, ids: Sequence[str]) -> dict[str, HoldRow]:
    if not ids:
        return {}
    columns = "id, state, amount, floor, checkpoint, charged, identity, usage_ids"
    return {
        row[0]: HoldRow(row[0], row[1], row[2], row[3], row[4], row[5] or 0, row[6], tuple(json.loads(row[7])))
        for row in cursor.select(columns, "quotas_hold", ids, lock="FOR UPDATE")
    }


# Ids of weeks by account. A week's row is never deleted, but the transaction that made one may have been rolled back
# and its id given to another: an id counts only if its row is the account's. Bounded by being emptied.
_week_ids: dict[Key, int] = {}
_MAX_WEEK_IDS = 200_000
_MAKING_WEEKS = 7_367_911  # the number of an advisory lock; any will do that nobody else uses


def _load_weeks(cursor: Cursor, ids: Iterable[int]) -> dict[int, WeekRow]:
    """Lock the weeks in the order of their ids, so that two writers never wait for each other."""
    wanted = sorted(ids)
    if not wanted:
        return {}
    columns = "id, used, held, kind, account, starts_at"
    return {
        id: WeekRow(id, used, held, (kind, account, cursor.read_instant(starts_at)))
        for id, used, held, kind, account, starts_at in cursor.select(
            columns, "quotas_weeklyusage", wanted, lock="FOR UPDATE"
        )
    }


def _is_not(week: WeekRow | None, key: Key) -> bool:
    return week is None or week.key != key


def _make_weeks(cursor: Cursor, accounts: Sequence[Account]) -> None:
    """Learn the ids of weeks; a week's row is made the first time that somebody draws on the account."""
    if not accounts:
        return
    cursor.exclusively(_MAKING_WEEKS)
    for account in accounts:
        where = (account.kind, account.id, cursor.instant(account.week.starts_at))
        cursor.execute(
            "INSERT INTO quotas_weeklyusage (kind, account, starts_at, ends_at, used, held)"
            " VALUES (%s, %s, %s, %s, 0, 0) ON CONFLICT DO NOTHING",
            (*where, cursor.instant(account.week.ends_at)),
        )
        cursor.execute("SELECT id FROM quotas_weeklyusage WHERE kind = %s AND account = %s AND starts_at = %s", where)
        _week_ids[key_of(account)] = cursor.fetchone()[0]


_ENTRY = {
    "usage_id": "bigint", "hold": "text", "kind": "text", "held_delta": "bigint", "used_delta": "bigint",
    "at": "timestamptz",
}  # fmt: skip
_WEEK = {"id": "bigint", "used": "bigint", "held": "bigint"}
_NEW_HOLD = {
    "id": "text", "owner": "text", "state": "text", "amount": "bigint", "floor": "bigint", "checkpoint": "bigint",
    "charged": "bigint", "usage_ids": "text", "identity": "text", "created_at": "timestamptz",
    "expires_at": "timestamptz", "resolved_at": "timestamptz",
}  # fmt: skip
_ENDED_HOLD = {"id": "text", "state": "text", "charged": "bigint", "resolved_at": "timestamptz"}


def store(cursor: Cursor, fold: Fold) -> None:
    if not fold.entries:
        return
    stamps = {now: cursor.instant(now) for now in {entry[5] for entry in fold.entries}}
    touched = [fold.weeks[usage_id] for usage_id in sorted({entry[0] for entry in fold.entries})]
    cursor.update("quotas_weeklyusage", _WEEK, [(week.id, week.used, week.held) for week in touched])
    if fold.created:
        rows = [_new_hold(cursor, fold.holds[id], made, stamps) for id, made in fold.created.items()]
        cursor.insert("quotas_hold", _NEW_HOLD, rows)
    ended = [hold for id, hold in fold.ended.items() if id not in fold.created]
    if ended:
        cursor.update("quotas_hold", _ENDED_HOLD, [_ended_hold(hold, stamps) for hold in ended])
    cursor.insert("quotas_ledgerentry", _ENTRY, [(*entry[:5], stamps[entry[5]]) for entry in fold.entries])


def _new_hold(cursor: Cursor, hold: HoldRow, made: Reserve, stamps: dict[datetime, Any]) -> tuple[Any, ...]:
    ended_at = stamps[hold.resolved_at] if hold.resolved_at else None
    return (
        hold.id, made.owner, hold.state, hold.amount, hold.floor, 0, hold.charged if ended_at else None,
        json.dumps(hold.usage_ids), hold.identity, stamps[made.now], cursor.instant(made.expires_at), ended_at,
    )  # fmt: skip


def _ended_hold(hold: HoldRow, stamps: dict[datetime, Any]) -> tuple[Any, ...]:
    assert hold.resolved_at is not None  # noqa: S101  # it has ended
    return hold.id, hold.state, hold.charged, stamps[hold.resolved_at]
