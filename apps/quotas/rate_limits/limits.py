"""Rate limits: what is counted. `memory` and `redis` count, and `judge` interprets the counts.

A scope allows an amount per minute, in requests or in tokens. Each request counts as one. A call's tokens are weighted
as in the ledger. Until the call ends it counts with what it may cost, and then with what it was charged. A call that
cost more than its estimate counts in full, so the next ones wait longer.

A limit of N admits exactly N in any 60 seconds, because a log keeps the instant and the amount of everything admitted
in the last minute. The log also makes the wait exact. The usual estimate from two neighboring minutes needs only two
numbers, but it admits 59 where 60 are allowed, and one in two minutes where one per minute is.

A burst is limited by a scope of its own with a shorter window, so everything said of a minute holds for its second.

Instants and spans are integers in microseconds.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

MILLISECOND = 1000
SECOND = 1000 * MILLISECOND
WINDOW = 60 * SECOND

Kind = Literal["key", "student", "course", "address", "route"]
Unit = Literal["requests", "tokens"]


class Scope(NamedTuple):
    """Whose requests or tokens are counted, and how many are allowed: per minute, and open at once.

    None is no limit. If `per_minute` is only one process's share, `whole` is the limit that callers are told. With
    another `window` the limit holds for that instead of a minute. `policy` names the limit in RateLimit fields. Kind,
    id and unit tell the counts of one scope from those of all others.
    """

    kind: Kind
    id: int | str
    unit: Unit
    per_minute: int | None
    at_once: int | None = None
    whole: int | None = None
    window: int = WINDOW
    policy: str = ""

    @property
    def is_limited(self) -> bool:
        return self.per_minute is not None or self.at_once is not None

    @property
    def told_limit(self) -> int:
        """The limit per minute as callers see it."""
        return self.whole or self.per_minute or 0

    def shared_by(self, processes: int) -> "Scope":
        """The scope with one process's share of its limits, rounded up, for processes that count separately."""
        part = self._replace(per_minute=_part(self.per_minute, processes), at_once=_part(self.at_once, processes))
        return part._replace(whole=self.per_minute) if self.unit == "tokens" or self.policy else part


class Count(NamedTuple):
    """What a scope used in the last minute, the instant of its newest entry, and how many requests are open.

    If the amount that was asked for does not fit, it will once the entry at `due` has left the window.
    """

    used: int
    due: int
    newest: int
    open: int


class Rate(NamedTuple):
    """The limit with the least left: how much that is, and in how long all of it will be back."""

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
    """Counts requests and tokens. Scopes passed together have one unit; either all of them admit, or none counts."""

    async def admit(self, scopes: Sequence[Scope], *, id: str, amount: int = 1) -> Rate | None:
        """Count a request and mark it as open, or count the tokens that a call may cost.

        Use an id once. The rate is None if no scope has a limit per minute. Raises RateLimited or TokensLimited: a
        caller who waits exactly as long as the error says is admitted, unless others came first or cost more than
        expected.
        """
        ...

    async def admit_each(self, scopes: Sequence[Scope], *, id: str) -> Sequence[Rate]:
        """The same for a request whose scopes all have a limit and a policy: the rate of each of them.

        Raises RateLimited with RateLimit fields.
        """
        ...

    async def correct(self, scopes: Sequence[Scope], *, id: str, amount: int) -> None:
        """Replace an admitted amount by the true one, at the same instant. An amount of zero removes the entry.

        Never fails. A repeated or late correction, or one of an unknown id, changes nothing.
        """
        ...

    def release(self, id: str) -> None:
        """Mark a request as no longer open. Returns at once and never fails; ignores repeated and unknown ids."""
        ...

    async def close(self) -> None: ...


def duration(span: int) -> str:
    """A span in OpenAI's format: `12ms`, `59.5s`, `6m0s`, `26h0m0s`. Rounded up to milliseconds."""
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
