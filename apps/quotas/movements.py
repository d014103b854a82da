"""What can be asked of the ledger, and what it answers. Pure values."""

from dataclasses import dataclass
from datetime import datetime

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
