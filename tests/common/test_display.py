"""Instants and weeks, as every page writes them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from apps.common.display import instant, moment, week_of, when

NOW = datetime(2026, 11, 30, 22, 30, tzinfo=UTC)  # half past midnight in Helsinki
HELSINKI = ZoneInfo("Europe/Helsinki")


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with timezone.override(HELSINKI):
        yield


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (NOW - timedelta(minutes=20), "today 00:10"),
        (NOW - timedelta(hours=1), "Mon 30 Nov 23:30"),
        (NOW + timedelta(days=1), "Wed 2 Dec 00:30"),
        (datetime(2025, 6, 1, 6, 0, tzinfo=UTC), "Sun 1 Jun 2025 09:00"),
        (None, "–"),
    ],
)
def test_an_instant_is_told_by_the_clock_of_the_page(value: datetime | None, words: str) -> None:
    assert moment(value, now=NOW) == words


def test_seconds_and_zone_are_on_hover() -> None:
    shown = when(NOW, now=NOW)

    assert shown == (
        '<time datetime="2026-12-01T00:30:00+02:00" title="Tue 1 Dec 2026, 00:30:00 EET">today 00:30</time>'
    )
    assert ">2026-12-01 00:30:00<" in instant(NOW)
    assert when(None) == instant(None) == "–"


@pytest.mark.parametrize(
    ("starts", "words"),
    [
        (datetime(timezone.now().year, 11, 29, 22, tzinfo=UTC), "30 Nov – 6 Dec"),
        (datetime(2020, 5, 31, 21, tzinfo=UTC), "1 Jun – 7 Jun 2020"),
        (datetime(2020, 12, 27, 22, tzinfo=UTC), "28 Dec 2020 – 3 Jan 2021"),
    ],
)
def test_a_week_is_told_by_its_days(starts: datetime, words: str) -> None:
    assert week_of(starts, starts + timedelta(days=7)) == words
