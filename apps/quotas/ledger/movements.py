"""What can be asked of the ledger, and what it answers. Pure values.

What is large and made for every call is a named tuple, which takes a third of the time that a frozen dataclass takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from apps.quotas.weeks import Week

HELD, SETTLED, RELEASED, EXPIRED, ADJUSTED = "held", "settled", "released", "expired", "adjusted"


Key = tuple[str, int, datetime]  # what identifies a week: kind and id of its account, and its start


@dataclass(frozen=True, slots=True)
class Account:
    """One allowance that a hold draws on. `limit` is in weighted tokens; None is unlimited.

    `most` bounds what the limit and grants may come to; None is no bound. `key` is made once, and used by many calls.
    """

    kind: str
    id: int
    limit: int | None
    week: Week
    most: int | None = None
    key: Key = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", (self.kind, self.id, self.week.starts_at))

    def limit_with(self, granted: int) -> int | None:
        """The limit with what staff granted."""
        if self.limit is None or not granted:
            return self.limit
        together = self.limit + granted
        return together if self.most is None else min(together, self.most)


class Balance(NamedTuple):
    """What an account had used and held when the movement was applied, that movement included."""

    account: Account
    used: int
    held: int
    granted: int = 0

    @property
    def limit(self) -> int | None:
        """The account's limit with what staff granted it this week; None is unlimited."""
        return self.account.limit_with(self.granted)

    @property
    def remaining(self) -> int | None:
        """What could still be reserved; None is unlimited. Never negative, also after a cut of the limit."""
        limit = self.limit
        return None if limit is None else max(0, limit - self.used - self.held)


class Reserve(NamedTuple):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Staff add `amount` to one week of an account, once. A negative one takes back, at most what was granted.

    Staff movements carry an id of their own, such as `grant-<uuid hex>`, and are repeated harmlessly: one that is in
    the ledger of that week already changes nothing. `actor` is the id of the user. Answered with Booked.
    """

    id: str
    account: Account
    amount: int
    actor: int | None
    note: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Correct:
    """Staff correct what a week has used: a refund is negative, and leaves at least nothing. Answered with Booked."""

    id: str
    account: Account
    used_delta: int
    actor: int | None
    note: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something took effect on an account that moves no token by itself: a boost, an override, a decision.

    Answered with Booked.
    """

    id: str
    account: Account
    actor: int | None
    note: str
    now: datetime


End = Settle | Release | Expire
HoldMovement = Reserve | End
StaffMovement = Grant | Correct | Note
Movement = HoldMovement | StaffMovement


class Held(NamedTuple):
    """The reservation stands. `balances` are in the order of the accounts."""

    amount: int
    balances: tuple[Balance, ...]


@dataclass(frozen=True, slots=True)
class Short:
    """The reservation would not fit. `account` is the first that was short; nothing changed."""

    account: Account
    balances: tuple[Balance, ...]


class Ended(NamedTuple):
    """How the hold stands now. `changed` is False if the movement came too late and did nothing.

    `totals` are used, held and granted of the weeks drawn on, in the order of the accounts.
    """

    state: str
    charged: int
    changed: bool
    identity: str
    totals: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Booked:
    """A movement by staff is in the ledger. `amount` is what it moved now: nothing if it was there already.

    `changed` is False in that case.
    """

    balance: Balance
    amount: int
    changed: bool


Outcome = Held | Short | Ended | Booked | None


WARN_FROM = 80  # percent


def percentage_used(balance: Balance) -> int:
    """How much of an allowance is used or held, in whole percents. Of an unlimited one nothing ever is."""
    limit = balance.limit
    if limit is None:
        return 0
    return (balance.used + balance.held) * 100 // limit if limit else 100


def remaining_of(balances: Sequence[Balance]) -> int | None:
    """What can still be reserved: the least over all limited accounts; None if none is."""
    return min((left for balance in balances if (left := balance.remaining) is not None), default=None)
