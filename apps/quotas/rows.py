"""The ledger's rows: read once before a batch is decided and written once after it, in SQL that SQLite and PostgreSQL
share."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson

from apps.common.cursor import Cursor
from apps.quotas.fold import Fold, HoldRow, Key, Mark, WeekRow, key_of
from apps.quotas.movements import Account, HoldMovement, Movement, Reserve, StaffMovement


def load(cursor: Cursor, movements: Sequence[Movement]) -> Fold:
    """Read and lock what the movements concern, in an order in which no two writers ever wait for each other.

    Holds first, by id. Then missing weeks are made, by one writer at a time, which so far has locked no week. Then all
    weeks are locked, by id.
    """
    accounts = {key_of(account): account for movement in movements for account in _accounts(movement)}
    holds = _load_holds(
        cursor, [m.hold for m in movements if isinstance(m, HoldMovement) and not isinstance(m, Reserve)]
    )
    drawn_on = {usage_id for hold in holds.values() for usage_id in hold.usage_ids}
    ids = {key: id for key in accounts if (id := _week_ids.get(key)) is not None}
    ids |= _make_weeks(cursor, [account for key, account in accounts.items() if key not in ids])
    weeks = _load_weeks(cursor, {*drawn_on, *ids.values()})
    lost = [account for key, account in accounts.items() if _is_not(weeks.get(ids[key]), key)]
    if lost:  # made by a transaction that was rolled back, a moment ago and hardly ever
        ids |= _make_weeks(cursor, lost)
        weeks |= _load_weeks(cursor, {ids[key_of(account)] for account in lost})
    booked = _load_booked(cursor, {(ids[key_of(m.account)], m.id) for m in movements if isinstance(m, StaffMovement)})
    return Fold(weeks=weeks, week_ids=ids, holds=holds, booked=booked)


def _accounts(movement: Movement) -> tuple[Account, ...]:
    if isinstance(movement, Reserve):
        return movement.accounts
    return (movement.account,) if isinstance(movement, StaffMovement) else ()


def _load_holds(cursor: Cursor, ids: Sequence[str]) -> dict[str, HoldRow]:
    if not ids:
        return {}
    columns = "id, state, amount, floor, checkpoint, charged, identity, usage_ids"
    return {
        row[0]: HoldRow(row[0], row[1], row[2], row[3], row[4], row[5] or 0, row[6], tuple(orjson.loads(row[7])))
        for row in cursor.select(columns, "quotas_hold", ids, lock="FOR UPDATE")
    }


def _load_booked(cursor: Cursor, wanted: Iterable[tuple[int, str]]) -> set[Mark]:
    """Which movements by staff are in the ledger already. Their weeks are locked, so that the answer stays true."""
    found: set[Mark] = set()
    for one in wanted:
        cursor.execute(f"SELECT usage_id, hold, kind {_BY_STAFF} AND usage_id = %s AND hold = %s", one)
        found.update(cursor.fetchall())
    return found


_BY_STAFF = "FROM quotas_ledgerentry WHERE kind IN ('grant', 'correct', 'change')"

# Ids of weeks by account. A week's row is never deleted, but the transaction that made one may have been rolled back
# and its id given to another: an id counts only if its row is the account's. Bounded by being emptied.
_week_ids: dict[Key, int] = {}
_MAX_WEEK_IDS = 200_000
_NEWEST_ENTRY = "(SELECT COALESCE(MAX(id), 0) FROM quotas_ledgerentry)"
_MAKING_WEEKS = 7_367_911  # the number of an advisory lock; any will do that nobody else uses


def _load_weeks(cursor: Cursor, ids: Iterable[int]) -> dict[int, WeekRow]:
    """Lock the weeks in the order of their ids, so that two writers never wait for each other."""
    wanted = sorted(ids)
    if not wanted:
        return {}
    columns = "id, used, held, granted, kind, account, starts_at"
    return {
        id: WeekRow(id, used, held, (kind, account, cursor.read_instant(starts_at)), granted)
        for id, used, held, granted, kind, account, starts_at in cursor.select(
            columns, "quotas_weeklyusage", wanted, lock="FOR UPDATE"
        )
    }


def _is_not(week: WeekRow | None, key: Key) -> bool:
    return week is None or week.key != key


def _make_weeks(cursor: Cursor, accounts: Sequence[Account]) -> dict[Key, int]:
    """Learn the ids of weeks; a week's row is made the first time that something moves on the account."""
    if not accounts:
        return {}
    made: dict[Key, int] = {}
    cursor.exclusively(_MAKING_WEEKS)
    for account in accounts:
        where = (account.kind, account.id, cursor.instant(account.week.starts_at))
        cursor.execute(
            "INSERT INTO quotas_weeklyusage (kind, account, starts_at, ends_at, used, held, opened_after)"
            f" VALUES (%s, %s, %s, %s, 0, 0, {_NEWEST_ENTRY}) ON CONFLICT DO NOTHING",
            (*where, cursor.instant(account.week.ends_at)),
        )
        cursor.execute("SELECT id FROM quotas_weeklyusage WHERE kind = %s AND account = %s AND starts_at = %s", where)
        made[key_of(account)] = cursor.fetchone()[0]
    if len(_week_ids) + len(made) > _MAX_WEEK_IDS:
        _week_ids.clear()
    _week_ids.update(made)
    return made


_ENTRY = {
    "usage_id": "bigint", "hold": "text", "kind": "text", "held_delta": "bigint", "used_delta": "bigint",
    "at": "timestamptz",
}  # fmt: skip
_STAFF_ENTRY = {**_ENTRY, "granted_delta": "bigint", "note": "text", "actor_id": "bigint"}
_WEEK = {"id": "bigint", "used": "bigint", "held": "bigint"}
_GRANTED = {"id": "bigint", "granted": "bigint"}
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
    entries: list[tuple[Any, ...]] = [
        (usage_id, hold, kind, held, used, stamps[at]) for usage_id, hold, kind, held, used, at in fold.entries
    ]
    if not fold.reasons:
        cursor.insert("quotas_ledgerentry", _ENTRY, entries)
        return
    cursor.update("quotas_weeklyusage", _GRANTED, [(week.id, week.granted) for week in touched])
    explained = [(*entry, *fold.reasons.get(place, (0, "", None))) for place, entry in enumerate(entries)]
    cursor.insert("quotas_ledgerentry", _STAFF_ENTRY, explained)


def _new_hold(cursor: Cursor, hold: HoldRow, made: Reserve, stamps: dict[datetime, Any]) -> tuple[Any, ...]:
    ended_at = stamps[hold.resolved_at] if hold.resolved_at else None
    usage_ids = orjson.dumps(hold.usage_ids).decode()
    return (
        hold.id, made.owner, hold.state, hold.amount, hold.floor, 0, hold.charged if ended_at else None,
        usage_ids, hold.identity, stamps[made.now], cursor.instant(made.expires_at), ended_at,
    )  # fmt: skip


def _ended_hold(hold: HoldRow, stamps: dict[datetime, Any]) -> tuple[Any, ...]:
    assert hold.resolved_at is not None  # noqa: S101  # it has ended
    return hold.id, hold.state, hold.charged, stamps[hold.resolved_at]
