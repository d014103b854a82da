"""The ledger's rows: read once before a batch is decided and written once after it, in SQL that SQLite and PostgreSQL
share."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson

from apps.common.cursor import Cursor
from apps.quotas.ledger.decide import Fold, HoldRow, Mark, Move, WeekRow, ending
from apps.quotas.ledger.movements import (
    HELD,
    Account,
    End,
    Expire,
    Key,
    Movement,
    Release,
    Reserve,
    Settle,
    StaffMovement,
)


def load(cursor: Cursor, movements: Sequence[Movement]) -> Fold:
    """Read and lock what the movements concern, in an order in which no two writers ever wait for each other.

    Holds first, by id: those of this process are ended at once, the others read. Then missing weeks are made, by one
    writer at a time, which so far has locked no week. Then all weeks are locked, by id.
    """
    accounts: dict[Key, Account] = {}
    ends: list[End] = []
    booking: list[StaffMovement] = []
    for movement in movements:
        if isinstance(movement, Reserve):
            for account in movement.accounts:
                accounts[account.key] = account
        elif isinstance(movement, End):
            ends.append(movement)
        else:
            accounts[movement.account.key] = movement.account
            booking.append(movement)
    holds = _end_own(cursor, ends) if ends else {}
    written = set(holds)
    if len(holds) < len(ends):
        holds |= _load_holds(cursor, [m.hold for m in ends if m.hold not in holds])
    drawn_on = {usage_id for hold in holds.values() for usage_id in hold.usage_ids}
    ids = {key: id for key in accounts if (id := _week_ids.get(key)) is not None}
    ids |= _make_weeks(cursor, [account for key, account in accounts.items() if key not in ids])
    weeks, owned = _load_weeks(cursor, {*drawn_on, *ids.values()})
    starts = {start: cursor.instant(start) for start in {key[2] for key in accounts}}
    lost = [accounts[key] for key in accounts if owned.get(ids[key]) != (key[0], key[1], starts[key[2]])]
    if lost:  # made by a transaction that was rolled back, a moment ago and hardly ever
        ids |= _make_weeks(cursor, lost)
        weeks |= _load_weeks(cursor, {ids[account.key] for account in lost})[0]
    booked = _load_booked(cursor, {(ids[m.account.key], m.id) for m in booking}) if booking else set()
    return Fold(weeks=weeks, week_ids=ids, holds=holds, written=written, booked=booked)


# Open holds that this process made, so that they need not be read when they end. The database proves what is remembered
# here, in the condition of the statement that ends them. Bounded by being emptied.
_own_holds: dict[str, HoldRow] = {}
_MAX_OWN_HOLDS = 50_000
_ENDING = {
    "id": "text", "state": "text", "charged": "bigint", "resolved_at": "timestamptz", "amount": "bigint",
    "usage_ids": "text",
}  # fmt: skip
_IS_OPEN = "quotas_hold.state = 'held' AND quotas_hold.amount = new.amount AND quotas_hold.usage_ids = new.usage_ids"


def _end_own(cursor: Cursor, ends: Sequence[End]) -> dict[str, HoldRow]:
    """End holds of this process without reading them first; those that were open, as they were then.

    What a hold's first movement in the batch says is what becomes of it. Others are read and decided like any hold: if
    that one expires it, which needs its last checkpoint, or if somebody else has ended it in the meantime.
    """
    firsts = {movement.hold: movement for movement in reversed(ends)}
    own = [(hold, firsts[id]) for id in sorted(firsts) if (hold := _own_holds.pop(id, None)) is not None]
    rows = [
        (hold.id, *_ended(hold, movement), cursor.instant(movement.now), hold.amount, _json(hold.usage_ids))
        for hold, movement in own
        if not isinstance(movement, Expire)
    ]
    open_ones = cursor.update_found("quotas_hold", _ENDING, rows, where=_IS_OPEN) if rows else set()
    return {hold.id: hold for hold, _ in own if hold.id in open_ones}


def _ended(hold: HoldRow, movement: Settle | Release) -> tuple[str, int]:
    state, _, charge = ending(hold, movement)
    return state, charge


def _json(usage_ids: tuple[int, ...]) -> str:
    return orjson.dumps(usage_ids).decode()


def _remember(made: Iterable[HoldRow]) -> None:
    if len(_own_holds) > _MAX_OWN_HOLDS:
        _own_holds.clear()
    _own_holds.update({hold.id: hold for hold in made if hold.state == HELD})


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


# As in the condition of the index, which is not used otherwise.
_BY_STAFF = "FROM quotas_ledgerentry WHERE (kind = 'grant' OR kind = 'correct' OR kind = 'change')"

# Ids of weeks by account. A week's row is never deleted, but the transaction that made one may have been rolled back
# and its id given to another: an id counts only if its row is the account's. Bounded by being emptied.
_week_ids: dict[Key, int] = {}
_MAX_WEEK_IDS = 200_000
_NEWEST_ENTRY = "(SELECT COALESCE(MAX(id), 0) FROM quotas_ledgerentry)"
_MAKING_WEEKS = 7_367_911  # the number of an advisory lock; any will do that nobody else uses


StoredKey = tuple[str, int, Any]  # what identifies a week, as the database has it


def _load_weeks(cursor: Cursor, ids: Iterable[int]) -> tuple[dict[int, WeekRow], dict[int, StoredKey]]:
    """Lock the weeks in the order of their ids, so that two writers never wait for each other; and whose they are."""
    wanted = sorted(ids)
    if not wanted:
        return {}, {}
    columns = f"id, used, held, granted, kind, account, {cursor.stored('starts_at')}"
    rows = cursor.select(columns, "quotas_weeklyusage", wanted, lock="FOR UPDATE")
    return {row[0]: WeekRow(*row[:4]) for row in rows}, {row[0]: row[4:] for row in rows}


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
        made[account.key] = cursor.fetchone()[0]
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
    "id": "text", "owner": "text", "amount": "bigint", "floor": "bigint", "usage_ids": "text", "identity": "text",
    "created_at": "timestamptz", "expires_at": "timestamptz",
}  # fmt: skip
_ENDED_HOLD = {"id": "text", "state": "text", "charged": "bigint", "resolved_at": "timestamptz"}


def store(cursor: Cursor, fold: Fold) -> None:
    if not fold.moves:
        return
    stamps = {now: cursor.instant(now) for now in {move[5] for move in fold.moves}}
    touched = [fold.weeks[usage_id] for usage_id in sorted({id for move in fold.moves for id in move[0]})]
    cursor.update("quotas_weeklyusage", _WEEK, [(week.id, week.used, week.held) for week in touched])
    if fold.created:
        made = [_new_hold(cursor, fold.holds[id], reserve, stamps) for id, reserve in fold.created.items()]
        cursor.insert("quotas_hold", _NEW_HOLD, made)
        _remember(fold.holds[id] for id in fold.created)
    ended = [_ended_hold(hold, stamps) for hold in fold.ended.values() if hold.id not in fold.written]
    if ended:
        cursor.update("quotas_hold", _ENDED_HOLD, ended)
    if not fold.reasons:
        cursor.insert("quotas_ledgerentry", _ENTRY, _entries(fold.moves, stamps))
        return
    cursor.update("quotas_weeklyusage", _GRANTED, [(week.id, week.granted) for week in touched])
    explained = [
        (*entry, *fold.reasons.get(place, (0, "", None)))
        for place, move in enumerate(fold.moves)
        for entry in _entries([move], stamps)
    ]
    cursor.insert("quotas_ledgerentry", _STAFF_ENTRY, explained)


def _entries(moves: Sequence[Move], stamps: dict[datetime, Any]) -> list[tuple[Any, ...]]:
    return [
        (usage_id, hold, kind, held, used, stamps[at])
        for usage_ids, hold, kind, held, used, at in moves
        for usage_id in usage_ids
    ]


def _new_hold(cursor: Cursor, hold: HoldRow, made: Reserve, stamps: dict[datetime, Any]) -> tuple[Any, ...]:
    weeks, expires_at = _json(hold.usage_ids), cursor.instant(made.expires_at)
    return hold.id, made.owner, hold.amount, hold.floor, weeks, hold.identity, stamps[made.now], expires_at


def _ended_hold(hold: HoldRow, stamps: dict[datetime, Any]) -> tuple[Any, ...]:
    assert hold.resolved_at is not None  # noqa: S101  # it has ended
    return hold.id, hold.state, hold.charged, stamps[hold.resolved_at]
