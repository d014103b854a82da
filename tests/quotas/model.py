"""A model of the ledger that is too simple to be wrong: sums over lists, one movement at a time, nothing stored twice.

`answer` gives what a caller should be told, in plain tuples; `told` puts the ledger's own answers in the same words.
"""

from dataclasses import dataclass, field
from datetime import datetime

from apps.quotas.ledger.movements import (
    Account,
    Balance,
    Booked,
    Correct,
    Ended,
    Expire,
    Grant,
    Held,
    Movement,
    Note,
    Outcome,
    Release,
    Reserve,
    Settle,
    Short,
)

WeekKey = tuple[str, int, datetime]


def week_of(account: Account) -> WeekKey:
    return account.kind, account.id, account.week.starts_at


@dataclass(slots=True)
class ModelHold:
    owner: str
    weeks: list[WeekKey]
    amount: int
    floor: int
    expires_at: datetime
    checkpoint: int = 0
    state: str = "held"
    charged: int = 0


@dataclass(slots=True)
class Model:
    holds: dict[str, ModelHold] = field(default_factory=dict)
    by_staff: dict[tuple[WeekKey, str, str], int] = field(default_factory=dict)  # what moved, by week, id and kind

    def used(self, week: WeekKey) -> int:
        return sum(hold.charged for hold in self.holds.values() if week in hold.weeks) + self._staff(week, "correct")

    def held(self, week: WeekKey) -> int:
        return sum(hold.amount for hold in self.holds.values() if week in hold.weeks and hold.state == "held")

    def granted(self, week: WeekKey) -> int:
        return self._staff(week, "grant")

    def _staff(self, week: WeekKey, kind: str) -> int:
        return sum(amount for (where, _, what), amount in self.by_staff.items() if (where, what) == (week, kind))

    def figures(self, week: WeekKey) -> tuple[int, int, int]:
        return self.used(week), self.held(week), self.granted(week)

    def remaining(self, account: Account) -> int | None:
        if account.limit is None:
            return None
        used, held, granted = self.figures(week_of(account))
        return max(0, account.limit + granted - used - held)

    def answer(self, movement: Movement) -> object:
        if isinstance(movement, Reserve):
            return self._reserve(movement)
        if isinstance(movement, Grant | Correct | Note):
            return self._book(movement)
        hold = self.holds.get(movement.hold)
        if hold is None:
            return None
        changed = True
        if hold.state == "held" and isinstance(movement, Settle):
            hold.state, hold.charged = "settled", movement.charge
        elif hold.state == "held" and isinstance(movement, Release):
            hold.state = "released"
        elif hold.state == "held" and isinstance(movement, Expire):
            hold.state, hold.charged = "expired", max(hold.floor, hold.checkpoint)
        elif hold.state == "expired" and isinstance(movement, Settle):
            hold.state, hold.charged = "adjusted", movement.charge
            for week in hold.weeks:  # staff had refunded more than there was
                if self.used(week) < 0:
                    self.by_staff[week, movement.hold, "correct"] = -self.used(week)
        else:
            changed = False
        return hold.state, hold.charged, changed, [self.figures(week) for week in hold.weeks]

    def checkpoint(self, hold: str, amount: int) -> None:
        if hold in self.holds and self.holds[hold].state == "held":
            self.holds[hold].checkpoint = amount

    def left_behind(self, dead: set[str], now: datetime) -> list[str]:
        held = ((id, hold) for id, hold in self.holds.items() if hold.state == "held")
        return sorted(id for id, hold in held if hold.owner in dead or hold.expires_at < now)

    def _reserve(self, movement: Reserve) -> object:
        left = [self.remaining(account) for account in movement.accounts]
        amount = min([movement.amount, *(one for one in left if one is not None)])
        if amount < movement.least:
            return "short", left
        weeks = [week_of(account) for account in movement.accounts]
        self.holds[movement.hold] = ModelHold(movement.owner, weeks, amount, movement.floor, movement.expires_at)
        return "held", amount, [self.remaining(account) for account in movement.accounts]

    def _book(self, movement: Grant | Correct | Note) -> object:
        week = week_of(movement.account)
        kind, amount = "change", 0
        if isinstance(movement, Grant):
            kind, amount = "grant", max(movement.amount, -self.granted(week))
        elif isinstance(movement, Correct):
            kind, amount = "correct", max(movement.used_delta, -self.used(week))
        changed = (week, movement.id, kind) not in self.by_staff
        if changed:
            self.by_staff[week, movement.id, kind] = amount
        return "booked", amount if changed else 0, changed, self.remaining(movement.account)


def told(outcome: Outcome) -> object:
    if isinstance(outcome, Held):
        return "held", outcome.amount, _remaining(outcome.balances)
    if isinstance(outcome, Short):
        return "short", _remaining(outcome.balances)
    if isinstance(outcome, Ended):
        return outcome.state, outcome.charged, outcome.changed, list(outcome.totals)
    if isinstance(outcome, Booked):
        return "booked", outcome.amount, outcome.changed, outcome.balance.remaining
    return None


def _remaining(balances: tuple[Balance, ...]) -> list[int | None]:
    return [balance.remaining for balance in balances]
