"""A student's limit as a sum in which each factor is named, so that the numbers on a page add up.

    3 000 × 94 % (joined today) × 2 (boost until Thu 12:00) + 0 granted = 5 655

Pure functions of what `limits.own_limit` computes the limit from; `limit` here is always the same.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from apps.quotas.limits import FULL, LimitSource, lower, remaining_share, rounded_up
from apps.quotas.weeks import Week

SPACE = "\N{NARROW NO-BREAK SPACE}"
MOST_DIGITS = 6  # of a share in percent


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSum:
    """What makes up a student's limit. `base` is None without any limit, and then only `granted` says something."""

    base: int | None
    is_own: bool  # by an override, instead of the role's allowance
    share: Fraction  # of a late joiner; else 1
    joined_at: datetime
    factor: Decimal
    boosted_until: datetime | None
    most: int | None  # that operators allow
    granted: int

    @property
    def limit(self) -> int | None:
        if self.base is None:
            return self.most
        without = lower(rounded_up(self.base * self.share * Fraction(self.factor)), self.most)
        return lower((without or 0) + self.granted, self.most)

    def in_words(self, *, now: datetime, timezone: str) -> str:
        """The sum in one line, with the days of the course's own clock."""
        zone = ZoneInfo(timezone)
        if self.base is None:
            return "no limit" if self.most is None else f"no limit, but at most {_number(self.most)} by the operator"
        words = _number(self.base) + (" (own allowance)" if self.is_own else "")
        if self.share != 1:
            words += f" × {self._percent()} (joined {_day(self.joined_at, now=now, zone=zone)})"
        if self.boosted_until is not None:
            until = _until(self.boosted_until, now=now, zone=zone)
            words += f" × {self.factor.normalize():f} (boost until {until})"
        words += f" + {_number(self.granted)} granted"
        if self._is_capped():
            words += f", at most {_number(self.most or 0)} by the operator"
        return f"{words} = {_number(self.limit or 0)}"

    def _is_capped(self) -> bool:
        product = rounded_up((self.base or 0) * self.share * Fraction(self.factor)) + self.granted
        return self.most is not None and product > self.most

    def _percent(self) -> str:
        """With as many digits as it takes for the sum to come out when one does it by hand."""
        exact = rounded_up((self.base or 0) * self.share * Fraction(self.factor))
        for digits in range(MOST_DIGITS + 1):
            shown = Fraction(round(self.share * 100, digits))
            if rounded_up((self.base or 0) * shown / 100 * Fraction(self.factor)) == exact:
                break
        return f"{float(shown):.{digits}f}{SPACE}%"


def limit_sum(
    allowance: int,
    *,
    source: LimitSource,
    late_joiners: str,
    joined_at: datetime,
    week: Week,
    most: int | None,
    granted: int,
) -> LimitSum:
    """The sum of a member's own limit, from what is in force for the member at this instant."""
    own, boost = source.override, source.boost
    is_late = own is None and late_joiners != FULL
    return LimitSum(
        base=own.weekly_tokens if own else allowance,
        is_own=own is not None,
        share=remaining_share(week, joined_at=joined_at) if is_late else Fraction(1),
        joined_at=joined_at,
        factor=boost.factor if boost else Decimal(1),
        boosted_until=boost.ends_at if boost else None,
        most=most,
        granted=granted,
    )


def _number(value: int) -> str:
    return f"{value:,}".replace(",", SPACE)


def _day(at: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    day, today = at.astimezone(zone), now.astimezone(zone)
    return "today" if day.date() == today.date() else f"{day:%a} {day.day} {day:%b}"


def _until(at: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    """With the time of day, which matters for a deadline."""
    day = _day(at, now=now, zone=zone)
    return f"{at.astimezone(zone):%H:%M}" if day == "today" else f"{day} {at.astimezone(zone):%H:%M}"
