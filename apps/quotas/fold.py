"""Deciding a batch: movements in the order of arrival, on rows that have been read and are written afterwards. Pure."""

from dataclasses import dataclass, field
from datetime import datetime

from apps.quotas.movements import (
    ADJUSTED,
    EXPIRED,
    HELD,
    RELEASED,
    SETTLED,
    Account,
    Balance,
    Ended,
    Expire,
    Held,
    Movement,
    Outcome,
    Release,
    Reserve,
    Settle,
    Short,
)

Key = tuple[str, int, datetime]  # what identifies a week: kind and id of its account, and its start


@dataclass(slots=True)
class WeekRow:
    """A row of WeeklyUsage while a batch is folded."""

    id: int
    used: int
    held: int
    key: Key


@dataclass(slots=True)
class HoldRow:
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
class Fold:
    """The rows that a batch concerns, and what it changes."""

    weeks: dict[int, WeekRow]
    week_ids: dict[Key, int]
    holds: dict[str, HoldRow]
    created: dict[str, Reserve] = field(default_factory=dict)
    ended: dict[str, HoldRow] = field(default_factory=dict)
    entries: list[tuple[int, str, str, int, int, datetime]] = field(default_factory=list)

    def move(self, hold: HoldRow, kind: str, *, held: int, used: int, now: datetime) -> None:
        for usage_id in hold.usage_ids:
            week = self.weeks[usage_id]
            week.held += held
            week.used += used
            self.entries.append((usage_id, hold.id, kind, held, used, now))


def decide(fold: Fold, movement: Movement) -> Outcome:
    if isinstance(movement, Reserve):
        return _reserve(fold, movement)
    hold = fold.holds.get(movement.hold)
    if hold is None:
        return None
    changed = _end(fold, hold, movement)
    totals = tuple((fold.weeks[usage_id].used, fold.weeks[usage_id].held) for usage_id in hold.usage_ids)
    return Ended(hold.state, hold.charged, changed, hold.identity, totals)


def _reserve(fold: Fold, movement: Reserve) -> Held | Short:
    weeks = [fold.weeks[fold.week_ids[key_of(account)]] for account in movement.accounts]
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
    hold = HoldRow(
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


def _end(fold: Fold, hold: HoldRow, movement: Settle | Release | Expire) -> bool:
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


def _ending(hold: HoldRow, movement: Settle | Release | Expire) -> tuple[str, str, int]:
    if isinstance(movement, Settle):
        return SETTLED, "settle", movement.charge
    if isinstance(movement, Release):
        return RELEASED, "release", 0
    return EXPIRED, "expire", max(hold.floor, hold.checkpoint)


def key_of(account: Account) -> Key:
    return account.kind, account.id, account.week.starts_at
