"""Limits at an instant: pure functions of allowance, boosts, overrides and join date.

    own = (override, or the role's allowance, for a late joiner its share of the week)  x  the largest boost
    course = the course's allowance  x  the largest boost that is for the course too

Nothing is stored, and no job runs when a boost or an override begins or ends. Usage stays: a limit that falls below it
leaves nothing, and takes nothing back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from apps.quotas.weeks import Week

FULL, PRO_RATA = "full", "pro_rata"  # what members get who join during a week
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostPeriod:
    """Multiplies allowances from `starts_at` until just before `ends_at`."""

    factor: Decimal
    multiplies_course: bool
    starts_at: datetime
    ends_at: datetime
    reason: str = ""

    def is_active(self, now: datetime) -> bool:
        return self.starts_at <= now < self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class OverridePeriod:
    """One student's own allowance, instead of their role's. A `weekly_tokens` of None is no limit."""

    weekly_tokens: int | None
    starts_at: datetime
    ends_at: datetime | None = None
    reason: str = ""

    def is_active(self, now: datetime) -> bool:
        return self.starts_at <= now and (self.ends_at is None or now < self.ends_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSource:
    """The boost and the override that make up a limit at an instant, and whether the course has an allowance at all."""

    boost: BoostPeriod | None = None
    override: OverridePeriod | None = None
    has_policy: bool = True


def limit_source(
    *, boosts: Sequence[BoostPeriod], overrides: Sequence[OverridePeriod], now: datetime, has_policy: bool = True
) -> LimitSource:
    """The largest active boost, and the newest active override. `overrides` are sorted newest first."""
    return LimitSource(
        boost=max((boost for boost in boosts if boost.is_active(now)), key=_size, default=None),
        override=next((override for override in overrides if override.is_active(now)), None),
        has_policy=has_policy,
    )


def own_limit(
    allowance: int,
    *,
    boosts: Sequence[BoostPeriod] = (),
    overrides: Sequence[OverridePeriod] = (),
    late_joiners: str = FULL,
    joined_at: datetime,
    week: Week,
    now: datetime,
) -> int | None:
    """A member's own limit at `now`, in weighted tokens; None is no limit."""
    if not boosts and not overrides and late_joiners == FULL:
        return allowance
    source = limit_source(boosts=boosts, overrides=overrides, now=now)
    factor = Fraction(source.boost.factor) if source.boost else Fraction(1)
    if source.override is not None:
        tokens = source.override.weekly_tokens
        return None if tokens is None else rounded_up(tokens * factor)
    share = remaining_share(week, joined_at=joined_at) if late_joiners == PRO_RATA else Fraction(1)
    return rounded_up(allowance * share * factor)


def course_limit(allowance: int | None, *, boosts: Sequence[BoostPeriod] = (), now: datetime) -> int | None:
    """The limit of a whole course at `now`; None is no limit."""
    if allowance is None or not boosts:
        return allowance
    factors = [boost.factor for boost in boosts if boost.multiplies_course and boost.is_active(now)]
    return multiplied(allowance, max(factors, default=Decimal(1)))


def multiplied(allowance: int, factor: Decimal) -> int:
    """An allowance multiplied by the factor of a boost, rounded up."""
    return rounded_up(allowance * Fraction(factor))


def lower(limit: int | None, ceiling: int | None) -> int | None:
    """The lower of two limits; None is none."""
    return min((one for one in (limit, ceiling) if one is not None), default=None)


def remaining_share(week: Week, *, joined_at: datetime) -> Fraction:
    """The share of the week that was left at the instant of joining; 1 for those who joined before it."""
    left = min(max(week.ends_at - joined_at, timedelta(0)), week.ends_at - week.starts_at)
    return Fraction(left // _INSTANT, (week.ends_at - week.starts_at) // _INSTANT)


def _size(boost: BoostPeriod) -> tuple[Decimal, datetime]:
    """Of two equal boosts the one that ends later, as students are told when it ends."""
    return boost.factor, boost.ends_at


def rounded_up(tokens: Fraction) -> int:
    return -(-tokens.numerator // tokens.denominator)
