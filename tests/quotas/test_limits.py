"""Limits at an instant, in tables."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.quotas.limits import (
    FULL,
    PRO_RATA,
    BoostPeriod,
    OverridePeriod,
    course_limit,
    limit_source,
    own_limit,
    remaining_share,
)
from apps.quotas.weeks import week_at

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)  # a Wednesday
WEEK = week_at(NOW, timezone="UTC", first_day=0)
BEFORE, HOUR = NOW - timedelta(days=30), timedelta(hours=1)


def boost(factor: str, *, starts_at: datetime = NOW, hours: int = 24, course: bool = False) -> BoostPeriod:
    return BoostPeriod(
        factor=Decimal(factor), multiplies_course=course, starts_at=starts_at, ends_at=starts_at + hours * HOUR
    )


def override(tokens: int | None, *, starts_at: datetime = NOW, hours: int | None = 24) -> OverridePeriod:
    ends_at = None if hours is None else starts_at + hours * HOUR
    return OverridePeriod(weekly_tokens=tokens, starts_at=starts_at, ends_at=ends_at)


def limit(allowance: int = 1000, **options: Any) -> int | None:
    return own_limit(allowance, **{"joined_at": BEFORE, "week": WEEK, "now": NOW, **options})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 1000),
        # Boosts
        ({"boosts": [boost("2")]}, 2000),
        ({"boosts": [boost("1.5")]}, 1500),
        ({"boosts": [boost("1.01")], "allowance": 10}, 11),
        ({"boosts": [boost("2"), boost("3"), boost("1.5")]}, 3000),
        ({"boosts": [boost("9", starts_at=NOW - 2 * HOUR, hours=1), boost("2")]}, 2000),
        ({"boosts": [boost("2", starts_at=NOW + timedelta(microseconds=1))]}, 1000),
        ({"boosts": [boost("2", starts_at=NOW - HOUR, hours=1)]}, 1000),
        # Overrides
        ({"overrides": [override(50)]}, 50),
        ({"overrides": [override(0)]}, 0),
        ({"overrides": [override(None)]}, None),
        ({"overrides": [override(50, hours=None)]}, 50),
        ({"overrides": [override(50, starts_at=NOW - HOUR, hours=1)]}, 1000),
        ({"overrides": [override(50, starts_at=NOW + HOUR)]}, 1000),
        ({"overrides": [override(70), override(50)]}, 70),
        ({"overrides": [override(70, starts_at=NOW - HOUR, hours=1), override(50)]}, 50),
        # Both: an override takes the place of the allowance, and a boost multiplies what is there
        ({"overrides": [override(50)], "boosts": [boost("2.5")]}, 125),
        ({"overrides": [override(None)], "boosts": [boost("2.5")]}, None),
        # Late joiners
        ({"joined_at": NOW}, 1000),
        ({"joined_at": NOW, "late_joiners": PRO_RATA}, 643),
        ({"joined_at": BEFORE, "late_joiners": PRO_RATA}, 1000),
        ({"joined_at": WEEK.starts_at, "late_joiners": PRO_RATA}, 1000),
        ({"joined_at": WEEK.ends_at - timedelta(microseconds=1), "late_joiners": PRO_RATA}, 1),
        ({"joined_at": NOW, "late_joiners": PRO_RATA, "boosts": [boost("2")]}, 1286),
        ({"joined_at": NOW, "late_joiners": PRO_RATA, "overrides": [override(1000)]}, 1000),
        ({"joined_at": NOW, "late_joiners": PRO_RATA, "allowance": 0}, 0),
    ],
)
def test_what_a_member_may_use(options: dict[str, Any], expected: int | None) -> None:
    assert limit(**options) == expected


@pytest.mark.parametrize(
    ("allowance", "boosts", "expected"),
    [
        (9000, [], 9000),
        (None, [boost("2", course=True)], None),
        (9000, [boost("2")], 9000),
        (9000, [boost("2", course=True)], 18_000),
        (9000, [boost("5"), boost("2", course=True), boost("1.5", course=True)], 18_000),
        (9000, [boost("2", course=True, starts_at=NOW - HOUR, hours=1)], 9000),
    ],
)
def test_what_a_course_may_use(allowance: int | None, boosts: list[BoostPeriod], expected: int | None) -> None:
    assert course_limit(allowance, boosts=boosts, now=NOW) == expected


def test_a_boost_acts_from_its_first_instant_until_just_before_its_last() -> None:
    deadline = boost("2", hours=1)
    instant = timedelta(microseconds=1)

    limits = [
        limit(boosts=[deadline], now=now) for now in (NOW - instant, NOW, deadline.ends_at - instant, deadline.ends_at)
    ]

    assert limits == [1000, 2000, 2000, 1000]


def test_of_boosts_that_are_as_large_the_one_that_lasts_longer_is_told() -> None:
    short, long = boost("2", hours=1), boost("2", hours=2)

    assert limit_source(boosts=[long, short], overrides=[], now=NOW).boost == long
    assert limit_source(boosts=[short, long], overrides=[], now=NOW).boost == long


# Who joins at local noon on the fourth day has less than half of the week before them. How much less depends on the
# hour that a change to or from daylight saving time took away or gave.
@pytest.mark.parametrize(
    ("timezone", "joined_at", "hours", "share"),
    [
        ("Europe/Helsinki", "2026-03-29T12:00+03:00", 167, Fraction(12, 167)),
        ("Europe/Helsinki", "2026-10-25T12:00+02:00", 169, Fraction(12, 169)),
        ("Europe/Helsinki", "2026-10-19T00:00+03:00", 169, Fraction(1)),
        ("America/New_York", "2026-03-08T12:00-04:00", 167, Fraction(12, 167)),
        ("America/New_York", "2026-11-01T12:00-05:00", 169, Fraction(12, 169)),
        ("Australia/Lord_Howe", "2026-04-05T12:00+10:30", 168.5, Fraction(24, 337)),
        ("Australia/Lord_Howe", "2026-10-04T12:00+11:00", 167.5, Fraction(24, 335)),
        ("Asia/Kathmandu", "2026-11-25T12:00+05:45", 168, Fraction(108, 168)),
    ],
)
def test_the_share_that_is_left_is_of_the_week_as_it_is_there(
    timezone: str, joined_at: str, hours: float, share: Fraction
) -> None:
    joined = datetime.fromisoformat(joined_at)

    week = week_at(joined, timezone=timezone, first_day=0)

    assert week.ends_at - week.starts_at == timedelta(hours=hours)
    assert remaining_share(week, joined_at=joined) == share
    assert limit(week=week, joined_at=joined, late_joiners=PRO_RATA, now=joined) == -(-1000 * share // 1)


@given(st.integers(0, 10**12), st.integers(0, 7 * 24 * 3600), st.integers(0, 7 * 24 * 3600))
def test_whoever_joins_later_never_gets_more(allowance: int, first: int, second: int) -> None:
    early, late = sorted((first, second))

    shares = [
        limit(allowance, joined_at=WEEK.starts_at + timedelta(seconds=seconds), late_joiners=PRO_RATA)
        for seconds in (early, late)
    ]

    assert allowance >= (shares[0] or 0) >= (shares[1] or 0) >= 0


def test_in_the_next_week_a_late_joiner_has_everything() -> None:
    next_week = week_at(WEEK.ends_at, timezone="UTC", first_day=0)

    assert limit(joined_at=NOW, late_joiners=PRO_RATA, week=next_week, now=next_week.starts_at) == 1000


def test_a_clock_that_is_behind_gives_nothing_rather_than_more() -> None:
    assert remaining_share(WEEK, joined_at=WEEK.ends_at + HOUR) == 0
    assert limit(joined_at=WEEK.ends_at + HOUR, late_joiners=FULL) == 1000
