"""The ledger: every token held or charged, decided in one place and written by one function.

A hold draws the same amount on an ordered list of accounts, all or none. `apply` is a function for the group-commit
writer (`apps.common.commit`): it folds a batch of movements into one read of the holds and weeks concerned, a pure
decision for each movement in the order of arrival, and one write for each table. A refused reservation changes nothing
and does not disturb its neighbours.

Holds end as HELD -> SETTLED | RELEASED | EXPIRED, and EXPIRED -> ADJUSTED once, when an owner that had been taken for
dead reports the true amount after all. Any other movement answers with what is stored and changes nothing.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.common.commit import Cursor, values
from apps.quotas.weeks import Week

HELD, SETTLED, RELEASED, EXPIRED, ADJUSTED = "held", "settled", "released", "expired", "adjusted"


@dataclass(frozen=True, slots=True)
class Account:
    """One allowance that a hold draws on. `limit` is in weighted tokens; None is unlimited."""

    kind: str
    id: int
    limit: int | None
    week: Week


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account had used and held when the movement was applied, that movement included."""

    account: Account
    used: int
    held: int

    @property
    def remaining(self) -> int | None:
        """What could still be reserved; None is unlimited. Never negative, also after a cut of the limit."""
        return None if self.account.limit is None else max(0, self.account.limit - self.used - self.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Hold `amount`, or what remains of it if that is at least `least`. Answered with Held or Short.

    `floor` is charged at least if the owner dies, since the call will have been sent by then; `identity` is kept for
    whoever then has to write the call down. Repeating a reservation under the same id is an error of the caller.
    """

    hold: str
    owner: str
    accounts: tuple[Account, ...]
    amount: int
    least: int
    floor: int
    identity: str
    now: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Replace the hold by the true amount. Answered with Ended."""

    hold: str
    charge: int
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Give the hold back whole. Answered with Ended."""

    hold: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """End the hold of a dead owner, charging its floor or its last checkpoint. Answered with Ended."""

    hold: str
    now: datetime


Movement = Reserve | Settle | Release | Expire


@dataclass(frozen=True, slots=True)
class Held:
    """The reservation stands. `balances` are in the order of the accounts."""

    amount: int
    balances: tuple[Balance, ...]


@dataclass(frozen=True, slots=True)
class Short:
    """The reservation would not fit. `account` is the first that was short; nothing changed."""

    account: Account
    balances: tuple[Balance, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """How the hold stands now. `changed` is False if the movement came too late and did nothing.

    `used` and `held` are those of the weeks drawn on, in the order of the accounts.
    """

    state: str
    charged: int
    changed: bool
    identity: str
    totals: tuple[tuple[int, int], ...]


Outcome = Held | Short | Ended | None
_Key = tuple[str, int, datetime]


@dataclass(slots=True)
class _Week:
    """A row of WeeklyUsage while a batch is folded."""

    id: int
    used: int
    held: int
    key: _Key


@dataclass(slots=True)
class _Hold:
    """A row of Hold while a batch is folded."""

    id: str
    state: str
    amount: int
    floor: int
    checkpoint: int
    charged: int
    identity: str
    usage_ids: tuple[int, ...]
    resolved_at: datetime | None = None


@dataclass(slots=True)
class _Fold:
    """The rows that a batch concerns, and what it changes."""

    weeks: dict[int, _Week]
    week_ids: dict[_Key, int]
    holds: dict[str, _Hold]
    created: dict[str, Reserve] = field(default_factory=dict)
    ended: dict[str, _Hold] = field(default_factory=dict)
    entries: list[tuple[int, str, str, int, int, datetime]] = field(default_factory=list)

    def move(self, hold: _Hold, kind: str, *, held: int, used: int, now: datetime) -> None:
        for usage_id in hold.usage_ids:
            week = self.weeks[usage_id]
            week.held += held
            week.used += used
            self.entries.append((usage_id, hold.id, kind, held, used, now))


def apply(cursor: Cursor, movements: Sequence[Movement]) -> list[Outcome]:
    """Fold the movements into the transaction of the cursor and answer each, in order."""
    fold = _load(cursor, movements)
    outcomes = [_decide(fold, movement) for movement in movements]
    _store(cursor, fold)
    return outcomes


def balances(cursor: Cursor, units: Sequence[tuple[Account, ...]]) -> list[tuple[Balance, ...]]:
    """A function for the writer: how accounts stand. An account that nobody has drawn on this week has used nothing."""
    return [tuple(_balance(cursor, account) for account in accounts) for accounts in units]


def _balance(cursor: Cursor, account: Account) -> Balance:
    cursor.execute(
        "SELECT used, held FROM quotas_weeklyusage WHERE kind = %s AND account = %s AND starts_at = %s",
        (account.kind, account.id, cursor.instant(account.week.starts_at)),
    )
    used, held = cursor.fetchone() or (0, 0)
    return Balance(account, used, held)


# Decide: pure


def _decide(fold: _Fold, movement: Movement) -> Outcome:
    if isinstance(movement, Reserve):
        return _reserve(fold, movement)
    hold = fold.holds.get(movement.hold)
    if hold is None:
        return None
    changed = _end(fold, hold, movement)
    totals = tuple((fold.weeks[usage_id].used, fold.weeks[usage_id].held) for usage_id in hold.usage_ids)
    return Ended(hold.state, hold.charged, changed, hold.identity, totals)


def _reserve(fold: _Fold, movement: Reserve) -> Held | Short:
    weeks = [fold.weeks[fold.week_ids[_key(account)]] for account in movement.accounts]
    balances = tuple(
        Balance(account, week.used, week.held) for account, week in zip(movement.accounts, weeks, strict=True)
    )
    amount = movement.amount
    for balance in balances:
        remaining = balance.remaining
        if remaining is not None and remaining < amount:
            if remaining < movement.least:
                return Short(balance.account, balances)
            amount = remaining
    hold = _Hold(
        id=movement.hold,
        state=HELD,
        amount=amount,
        floor=movement.floor,
        checkpoint=0,
        charged=0,
        identity=movement.identity,
        usage_ids=tuple(week.id for week in weeks),
    )
    fold.holds[hold.id] = hold
    fold.created[hold.id] = movement
    fold.move(hold, "hold", held=amount, used=0, now=movement.now)
    return Held(
        amount,
        tuple(Balance(account, week.used, week.held) for account, week in zip(movement.accounts, weeks, strict=True)),
    )


def _end(fold: _Fold, hold: _Hold, movement: Settle | Release | Expire) -> bool:
    """Make the movement if the hold's state allows it."""
    if hold.state == HELD:
        state, kind, charge = _ending(hold, movement)
        fold.move(hold, kind, held=-hold.amount, used=charge, now=movement.now)
    elif hold.state == EXPIRED and isinstance(movement, Settle):
        state, charge = ADJUSTED, movement.charge
        fold.move(hold, "adjust", held=0, used=charge - hold.charged, now=movement.now)
    else:
        return False
    hold.state, hold.charged, hold.resolved_at = state, charge, movement.now
    fold.ended[hold.id] = hold
    return True


def _ending(hold: _Hold, movement: Settle | Release | Expire) -> tuple[str, str, int]:
    if isinstance(movement, Settle):
        return SETTLED, "settle", movement.charge
    if isinstance(movement, Release):
        return RELEASED, "release", 0
    return EXPIRED, "expire", max(hold.floor, hold.checkpoint)


def _key(account: Account) -> _Key:
    return account.kind, account.id, account.week.starts_at


# Load and store: SQL that SQLite and PostgreSQL share


def _load(cursor: Cursor, movements: Sequence[Movement]) -> _Fold:
    accounts = {_key(account): account for m in movements if isinstance(m, Reserve) for account in m.accounts}
    holds = _load_holds(cursor, [m.hold for m in movements if not isinstance(m, Reserve)])
    drawn_on = {usage_id for hold in holds.values() for usage_id in hold.usage_ids}
    week_ids = {key: _week_ids[key] for key in accounts if key in _week_ids}
    weeks = _load_weeks(cursor, {*drawn_on, *week_ids.values()})
    for key, account in accounts.items():
        known = weeks.get(week_ids.get(key, 0))
        if known is None or known.key != key:
            week = _find_week(cursor, account)
            week_ids[key] = week.id
            weeks.setdefault(week.id, week)
    return _Fold(weeks=weeks, week_ids=week_ids, holds=holds)


def _load_holds(cursor: Cursor, ids: Sequence[str]) -> dict[str, _Hold]:
    if not ids:
        return {}
    cursor.execute(
        "SELECT id, state, amount, floor, checkpoint, charged, identity, usage_ids FROM quotas_hold"
        f" WHERE id IN {values(1, len(ids))} ORDER BY id{cursor.for_update}",
        ids,
    )
    return {
        row[0]: _Hold(row[0], row[1], row[2], row[3], row[4], row[5] or 0, row[6], tuple(json.loads(row[7])))
        for row in cursor.fetchall()
    }


# Ids of weeks by account. A week's row is never deleted, but the transaction that made one may have been rolled back
# and its id given to another: an id counts only if its row is the account's. Bounded by being emptied.
_week_ids: dict[_Key, int] = {}
_MAX_WEEK_IDS = 200_000


def _load_weeks(cursor: Cursor, ids: Iterable[int]) -> dict[int, _Week]:
    """Lock the weeks in the order of their ids, so that two writers never wait for each other."""
    ordered = sorted(ids)
    if not ordered:
        return {}
    cursor.execute(
        "SELECT id, used, held, kind, account, starts_at FROM quotas_weeklyusage"
        f" WHERE id IN {values(1, len(ordered))} ORDER BY id{cursor.for_update}",
        ordered,
    )
    return {
        id: _Week(id, used, held, (kind, account, cursor.read_instant(starts_at)))
        for id, used, held, kind, account, starts_at in cursor.fetchall()
    }


def _find_week(cursor: Cursor, account: Account) -> _Week:
    """The account's week; its row is made the first time that somebody draws on it."""
    where = (account.kind, account.id, cursor.instant(account.week.starts_at))
    cursor.execute(
        "INSERT INTO quotas_weeklyusage (kind, account, starts_at, ends_at, used, held)"
        " VALUES (%s, %s, %s, %s, 0, 0) ON CONFLICT DO NOTHING",
        (*where, cursor.instant(account.week.ends_at)),
    )
    cursor.execute(
        "SELECT id, used, held FROM quotas_weeklyusage"
        f" WHERE kind = %s AND account = %s AND starts_at = %s{cursor.for_update}",
        where,
    )
    id, used, held = cursor.fetchone()
    week = _Week(id, used, held, _key(account))
    if len(_week_ids) >= _MAX_WEEK_IDS:
        _week_ids.clear()
    _week_ids[_key(account)] = week.id
    return week


def _store(cursor: Cursor, fold: _Fold) -> None:
    if not fold.entries:
        return
    stamps = {now: cursor.instant(now) for now in {entry[5] for entry in fold.entries}}
    _update_weeks(cursor, fold)
    _insert_holds(cursor, fold, stamps)
    _end_holds(cursor, [hold for id, hold in fold.ended.items() if id not in fold.created], stamps)
    cursor.execute(
        "INSERT INTO quotas_ledgerentry (usage_id, hold, kind, held_delta, used_delta, at)"
        f" VALUES {values(len(fold.entries), 6)}",
        [value for entry in fold.entries for value in (*entry[:5], stamps[entry[5]])],
    )


def _update_weeks(cursor: Cursor, fold: _Fold) -> None:
    touched = [fold.weeks[usage_id] for usage_id in sorted({entry[0] for entry in fold.entries})]
    cursor.execute(
        f"WITH new (id, used, held) AS (VALUES {values(len(touched), 3)})"
        " UPDATE quotas_weeklyusage SET used = new.used, held = new.held FROM new"
        " WHERE quotas_weeklyusage.id = new.id",
        [value for week in touched for value in (week.id, week.used, week.held)],
    )


def _insert_holds(cursor: Cursor, fold: _Fold, stamps: dict[datetime, Any]) -> None:
    if not fold.created:
        return
    flat: list[Any] = []
    for id, made in fold.created.items():
        hold = fold.holds[id]
        ended_at = stamps[hold.resolved_at] if hold.resolved_at else None
        flat += (
            id, made.owner, hold.state, hold.amount, hold.floor, 0, hold.charged if ended_at else None,
            json.dumps(hold.usage_ids), hold.identity, stamps[made.now], cursor.instant(made.expires_at), ended_at,
        )  # fmt: skip
    cursor.execute(
        "INSERT INTO quotas_hold (id, owner, state, amount, floor, checkpoint, charged, usage_ids, identity,"
        f" created_at, expires_at, resolved_at) VALUES {values(len(fold.created), 12)}",
        flat,
    )


def _end_holds(cursor: Cursor, holds: Sequence[_Hold], stamps: dict[datetime, Any]) -> None:
    if not holds:
        return
    cursor.execute(
        f"WITH new (id, state, charged, resolved_at) AS (VALUES {values(len(holds), 4)})"
        " UPDATE quotas_hold SET state = new.state, charged = new.charged, resolved_at = new.resolved_at FROM new"
        " WHERE quotas_hold.id = new.id",
        [
            value
            for hold in holds
            if hold.resolved_at is not None
            for value in (hold.id, hold.state, hold.charged, stamps[hold.resolved_at])
        ],
    )
