"""A limit as a sum: its factors are named, it comes out, and it is the limit that calls obey."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.quotas.ledger.movements import Account
from apps.quotas.limits import FULL, PRO_RATA, BoostPeriod, LimitSource, OverridePeriod, lower, own_limit
from apps.quotas.sums import LimitSum, limit_sum
from apps.quotas.weeks import week_at

NOW = datetime(2026, 11, 30, 18, tzinfo=UTC)  # a Monday
WEEK = week_at(NOW, timezone="UTC", first_day=0)
BOOST = BoostPeriod(factor=Decimal("2.00"), multiplies_course=False, starts_at=NOW, ends_at=NOW + timedelta(days=3))


def made(**changes: Any) -> LimitSum:
    usual = {"source": LimitSource(), "late_joiners": PRO_RATA, "joined_at": WEEK.starts_at, "most": None, "granted": 0}
    return limit_sum(3_000, week=WEEK, **{**usual, **changes})


def words(**changes: Any) -> str:
    return made(**changes).in_words(now=NOW, timezone="UTC").replace("\N{NARROW NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "3 000 + 0 granted = 3 000"),
        (
            {"source": LimitSource(boost=BOOST), "joined_at": NOW - timedelta(hours=8), "granted": 5},
            "3 000 × 94.05 % (joined today) × 2 (boost until Thu 3 Dec 18:00) + 5 granted = 5 648",
        ),
        ({"joined_at": WEEK.starts_at + timedelta(days=3.5)}, "3 000 × 50 % (joined Thu 3 Dec) + 0 granted = 1 500"),
        (
            {"source": LimitSource(override=OverridePeriod(weekly_tokens=500, starts_at=NOW))},
            "500 (own allowance) + 0 granted = 500",
        ),
        ({"most": 1_000, "granted": 7}, "3 000 + 7 granted, at most 1 000 by the operator = 1 000"),
        ({"source": LimitSource(override=OverridePeriod(weekly_tokens=None, starts_at=NOW))}, "no limit"),
    ],
)
def test_each_factor_is_named(changes: dict[str, Any], said: str) -> None:
    assert words(**changes) == said


@given(
    allowance=st.integers(0, 10**7),
    late=st.integers(0, 7 * 24 * 3600),
    factor=st.none() | st.decimals(1, 100, places=2),
    most=st.none() | st.integers(0, 10**8),
    granted=st.integers(0, 10**6),
)
def test_it_is_the_limit_that_calls_obey_and_comes_out_by_hand(
    allowance: int, late: int, factor: Decimal | None, most: int | None, granted: int
) -> None:
    joined_at = WEEK.starts_at + timedelta(seconds=late)
    boosts = [BOOST.__class__(**{**_fields(BOOST), "factor": factor})] if factor else []
    given = {"late_joiners": PRO_RATA, "joined_at": joined_at, "week": WEEK}
    own = own_limit(allowance, boosts=boosts, now=NOW, **given)

    parts = limit_sum(
        allowance, source=LimitSource(boost=boosts[0] if boosts else None), most=most, granted=granted, **given
    )

    assert parts.limit == Account("student", 1, lower(own, most), WEEK, most).limit_with(granted)
    assert most is not None or _by_hand(parts.in_words(now=NOW, timezone="UTC")) == parts.limit


def _fields(boost: BoostPeriod) -> dict[str, Any]:
    return {name: getattr(boost, name) for name in boost.__slots__}


def _by_hand(said: str) -> int:
    """What somebody gets who works the sum out, with the figures that they are shown."""
    plain = re.sub(r"\(.*?\)", "", said.replace("\N{NARROW NO-BREAK SPACE}", "")).partition("=")[0]
    product, _, granted = plain.rpartition("+")
    result = Fraction(1)
    for factor in product.split("×"):
        text = factor.strip()
        result *= Fraction(text[:-1]) / 100 if text.endswith("%") else Fraction(text)
    return ceil(result) + int(granted.replace("granted", ""))


def test_a_course_that_gives_late_joiners_all_names_no_share() -> None:
    assert "joined" not in words(late_joiners=FULL, joined_at=NOW)
