"""Deciding a batch: movements in the order of arrival, on rows that have been read and are written afterwards. Pure."""

from dataclasses import dataclass, field
from datetime import datetime

from apps.quotas.ledger.movements import (
    ADJUSTED,
    EXPIRED,
    HELD,
    RELEASED,
    SETTLED,
    Account,
    Balance,
    Booked,
    Correct,
    End,
    Ended,
    Grant,
    Held,
    Key,
    Movement,
    Outcome,
    Release,
    Reserve,
    Settle,
    Short,
    StaffMovement,
)


@dataclass(slots=True)
class WeekRow:
    """A row of WeeklyUsage while a batch is folded."""

    id: int
    used: int
    held: int
    granted: int = 0

    def balance(self, account: Account) -> Balance:
        return Balance(account, self.used, self.held, self.granted)


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


Mark = tuple[int, str, str]  # a movement by staff in the ledger: id of the week, its own id, its kind
Reason = tuple[int, str, int | None]  # what a movement by staff has beside others: tokens granted, note, actor
Move = tuple[tuple[int, ...], str, str, int, int, datetime]  # weeks, the call, kind, held, used, when


@dataclass(slots=True)
class Fold:
    """The rows that a batch concerns, and what it changes.

    A move becomes an entry for each of its weeks. `reasons` are those of moves by staff, by their position. `written`
    are the holds whose end is in the database already.
    """

    weeks: dict[int, WeekRow]
    week_ids: dict[Key, int]
    holds: dict[str, HoldRow]
    written: set[str] = field(default_factory=set)
    booked: set[Mark] = field(default_factory=set)
    created: dict[str, Reserve] = field(default_factory=dict)
    ended: dict[str, HoldRow] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    reasons: dict[int, Reason] = field(default_factory=dict)

    def move(self, hold: HoldRow, kind: str, *, held: int, used: int, now: datetime) -> None:
        for usage_id in hold.usage_ids:
            week = self.weeks[usage_id]
            week.held += held
            week.used += used
        self.moves.append((hold.usage_ids, hold.id, kind, held, used, now))

    def forgive(self, hold: HoldRow, *, now: datetime) -> None:
        """Staff may have refunded what is now adjusted to less: they gave more than there was, and nothing is used."""
        for usage_id in hold.usage_ids:
            week = self.weeks[usage_id]
            if week.used < 0:
                self.explain(week, hold.id, "correct", used=-week.used, granted=0, reason=(_REFUNDED, None), now=now)

    def explain(
        self,
        week: WeekRow,
        id: str,
        kind: str,
        *,
        used: int,
        granted: int,
        reason: tuple[str, int | None],
        now: datetime,
    ) -> None:
        week.used += used
        week.granted += granted
        self.reasons[len(self.moves)] = (granted, *reason)
        self.moves.append(((week.id,), id, kind, 0, used, now))


_REFUNDED = "Refunded before the call was known to have cost less."


def decide(fold: Fold, movement: Movement) -> Outcome:
    if isinstance(movement, Reserve):
        return _reserve(fold, movement)
    if isinstance(movement, StaffMovement):
        return _book(fold, movement)
    hold = fold.holds.get(movement.hold)
    if hold is None:
        return None
    changed = _end(fold, hold, movement)
    weeks = [fold.weeks[usage_id] for usage_id in hold.usage_ids]
    totals = tuple([(week.used, week.held, week.granted) for week in weeks])
    return Ended(hold.state, hold.charged, changed, hold.identity, totals)


def _reserve(fold: Fold, movement: Reserve) -> Held | Short:
    weeks = [fold.weeks[fold.week_ids[account.key]] for account in movement.accounts]
    amount = movement.amount
    for account, week in zip(movement.accounts, weeks, strict=True):
        limit = account.limit_with(week.granted)
        if limit is None:
            continue
        remaining = limit - week.used - week.held
        if remaining < amount:
            amount = max(0, remaining)
            if amount < movement.least:
                return Short(account, _balances(movement.accounts, weeks))
    hold = HoldRow(
        id=movement.hold,
        state=HELD,
        amount=amount,
        floor=movement.floor,
        checkpoint=0,
        charged=0,
        identity=movement.identity,
        usage_ids=tuple([week.id for week in weeks]),
    )
    fold.holds[hold.id] = hold
    fold.created[hold.id] = movement
    fold.move(hold, "hold", held=amount, used=0, now=movement.now)
    return Held(amount, _balances(movement.accounts, weeks))


def _balances(accounts: tuple[Account, ...], weeks: list[WeekRow]) -> tuple[Balance, ...]:
    return tuple(
        [Balance(account, week.used, week.held, week.granted) for account, week in zip(accounts, weeks, strict=True)]
    )


def _end(fold: Fold, hold: HoldRow, movement: End) -> bool:
    """Make the movement if the hold's state allows it. What is charged beyond the hold is an entry of its own."""
    if hold.state == HELD:
        state, kind, charge = ending(hold, movement)
        fold.move(hold, kind, held=-hold.amount, used=min(charge, hold.amount), now=movement.now)
        excess = max(0, charge - hold.amount)
    elif hold.state == EXPIRED and isinstance(movement, Settle):
        state, charge = ADJUSTED, movement.charge
        within = min(charge, hold.amount) - min(hold.charged, hold.amount)
        fold.move(hold, "adjust", held=0, used=within, now=movement.now)
        excess = max(0, charge - hold.amount) - max(0, hold.charged - hold.amount)
    else:
        return False
    if excess:
        fold.move(hold, "excess", held=0, used=excess, now=movement.now)
    if state == ADJUSTED:
        fold.forgive(hold, now=movement.now)
    hold.state, hold.charged, hold.resolved_at = state, charge, movement.now
    fold.ended[hold.id] = hold
    return True


def ending(hold: HoldRow, movement: End) -> tuple[str, str, int]:
    """What becomes of an open hold: its state, the kind of the entry, and what is charged."""
    if isinstance(movement, Settle):
        return SETTLED, "settle", movement.charge
    if isinstance(movement, Release):
        return RELEASED, "release", 0
    return EXPIRED, "expire", max(hold.floor, hold.checkpoint)


def _book(fold: Fold, movement: StaffMovement) -> Booked:
    week = fold.weeks[fold.week_ids[movement.account.key]]
    kind, used, granted = _booking(week, movement)
    mark = (week.id, movement.id, kind)
    if mark in fold.booked:
        return Booked(week.balance(movement.account), 0, False)
    reason = (movement.note, movement.actor)
    fold.explain(week, movement.id, kind, used=used, granted=granted, reason=reason, now=movement.now)
    fold.booked.add(mark)
    return Booked(week.balance(movement.account), used + granted, True)


def _booking(week: WeekRow, movement: StaffMovement) -> tuple[str, int, int]:
    """Kind, used and granted. What is taken away is at most what is there."""
    if isinstance(movement, Grant):
        return "grant", 0, max(movement.amount, -week.granted)
    if isinstance(movement, Correct):
        return "correct", max(movement.used_delta, -week.used), 0
    return "change", 0, 0
