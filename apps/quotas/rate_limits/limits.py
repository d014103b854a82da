"""Rate limits: what is counted. The counting is done in `memory` and `redis`, and `judge` says what the counts mean.

A scope allows an amount a minute, in requests or in tokens. Each request counts as one. A call's tokens, weighted as in
the ledger, count with what the call may cost until it ends, and then with what it was charged; a call that cost more
than its estimate counts in full, and the next ones wait for it.

A limit of N admits N in any 60 seconds, because a log keeps the instant and the amount of everything admitted in the
last minute. That also makes the wait exact. The usual estimate from two neighboring minutes needs only two numbers, but
it admits 59 where 60 are allowed, and one in two minutes where one a minute is.

Instants and spans are whole microseconds.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

MILLISECOND = 1000
SECOND = 1000 * MILLISECOND
WINDOW = 60 * SECOND

Kind = Literal["key", "student", "course"]
Unit = Literal["requests", "tokens"]


class Scope(NamedTuple):
    """Whose requests or tokens are counted, and how many are allowed: in any minute, and of requests open at once.

    None is no limit. `whole` is the limit of which `per_minute` is one process' part, where callers are told the whole.
    """

    kind: Kind
    id: int
    unit: Unit
    per_minute: int | None
    at_once: int | None = None
    whole: int | None = None

    @property
    def is_limited(self) -> bool:
        return self.per_minute is not None or self.at_once is not None

    @property
    def told_limit(self) -> int:
        """The limit a minute as callers see it."""
        return self.whole or self.per_minute or 0

    def shared_by(self, processes: int) -> "Scope":
        """What one of so many processes allows when each counts alone: its part, rounded up."""
        part = self._replace(per_minute=_part(self.per_minute, processes), at_once=_part(self.at_once, processes))
        return part._replace(whole=self.per_minute) if self.unit == "tokens" else part


class Count(NamedTuple):
    """What a scope has used in the last minute, the instant of the newest entry, and how many requests are open.

    If what was asked for does not fit, it will once the entry at `due` has left the window.
    """

    used: int
    due: int
    newest: int
    open: int


class Rate(NamedTuple):
    """The limit with the least left: how much that is, and when all of it will be back."""

    unit: Unit
    limit: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        """Under the names that OpenAI's clients know."""
        return {
            f"x-ratelimit-limit-{self.unit}": str(self.limit),
            f"x-ratelimit-remaining-{self.unit}": str(self.remaining),
            f"x-ratelimit-reset-{self.unit}": duration(self.reset),
        }


class RateLimits(Protocol):
    """Counts requests and tokens. Scopes asked together have one unit; either all of them admit, or none counts."""

    async def admit(self, scopes: Sequence[Scope], *, id: str, amount: int = 1) -> Rate | None:
        """Count a request and hold its place among the open ones, or count the tokens that a call may cost.

        An id is used once. The rate is None if nothing is limited by the minute. Raises RateLimited, or TokensLimited:
        a caller who waits exactly as long as that says is admitted, unless others came first or cost more than
        expected.
        """
        ...

    async def correct(self, scopes: Sequence[Scope], *, id: str, amount: int) -> None:
        """Replace what was admitted by the true amount, at the same instant; nothing is left of a call that was free.

        Never fails. Repeated, late or for an unknown id, it changes nothing.
        """
        ...

    def release(self, id: str) -> None:
        """Give a request's place back. Returns at once and never fails; repeated or for an unknown id, does nothing."""
        ...

    async def close(self) -> None: ...


def duration(span: int) -> str:
    """As OpenAI writes it: `12ms`, `59.5s`, `6m0s`, `26h0m0s`. Rounded up to milliseconds."""
    milliseconds = -(-span // MILLISECOND)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if not minutes:
        return seconds
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}"


def _part(limit: int | None, processes: int) -> int | None:
    return None if limit is None else -(-limit // processes)
