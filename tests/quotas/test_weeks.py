"""The week turns where the course is, also when the clocks change."""

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.quotas.weeks import Week, week_at

ZONES = ["UTC", "Europe/Helsinki", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]

# zone, first day (Monday is 0), an instant in the week, its start, its end, both in UTC, and its hours
WEEKS = [
    ("UTC", 0, "2026-11-18T12:00", "2026-11-16T00:00", "2026-11-23T00:00", 168),
    ("Europe/Helsinki", 0, "2026-07-15T12:00", "2026-07-12T21:00", "2026-07-19T21:00", 168),
    ("Europe/Helsinki", 0, "2026-03-25T12:00", "2026-03-22T22:00", "2026-03-29T21:00", 167),
    ("Europe/Helsinki", 0, "2026-10-21T12:00", "2026-10-18T21:00", "2026-10-25T22:00", 169),
    ("Europe/Helsinki", 6, "2026-03-29T12:00", "2026-03-28T22:00", "2026-04-04T21:00", 167),
    ("America/New_York", 0, "2026-03-04T12:00", "2026-03-02T05:00", "2026-03-09T04:00", 167),
    ("America/New_York", 6, "2026-11-01T12:00", "2026-11-01T04:00", "2026-11-08T05:00", 169),
    ("Australia/Lord_Howe", 0, "2026-04-01T12:00", "2026-03-29T13:00", "2026-04-05T13:30", 168.5),
    ("Australia/Lord_Howe", 0, "2026-09-30T12:00", "2026-09-27T13:30", "2026-10-04T13:00", 167.5),
    ("Asia/Kathmandu", 6, "2026-11-18T12:00", "2026-11-14T18:15", "2026-11-21T18:15", 168),
    ("Africa/Cairo", 4, "2026-04-24T12:00", "2026-04-23T22:00", "2026-04-30T21:00", 167),
    ("America/New_York", 2, "2026-12-31T12:00", "2026-12-30T05:00", "2027-01-06T05:00", 168),
]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("zone", "first_day", "now", "starts_at", "ends_at", "hours"), WEEKS)
def test_a_week_runs_from_midnight_to_midnight_there(
    zone: str, first_day: int, now: str, starts_at: str, ends_at: str, hours: float
) -> None:
    week = week_at(instant(now), timezone=zone, first_day=first_day)

    assert (week.starts_at, week.ends_at) == (instant(starts_at), instant(ends_at))
    assert week.ends_at - week.starts_at == timedelta(hours=hours)
    assert week.timezone == zone


@pytest.mark.parametrize(("zone", "first_day", "now", "starts_at", "ends_at", "hours"), WEEKS)
def test_the_first_instant_belongs_to_the_week_and_the_last_does_not(
    zone: str, first_day: int, now: str, starts_at: str, ends_at: str, hours: float
) -> None:
    week = week_at(instant(now), timezone=zone, first_day=first_day)
    tick = timedelta(microseconds=1)

    assert week_at(week.starts_at, timezone=zone, first_day=first_day) == week
    assert week_at(week.ends_at - tick, timezone=zone, first_day=first_day) == week
    assert week_at(week.ends_at, timezone=zone, first_day=first_day).starts_at == week.ends_at
    assert week_at(week.starts_at - tick, timezone=zone, first_day=first_day).ends_at == week.starts_at


# Years of boundaries, against a second opinion: the clock on the wall, asked second by second

WALLS = [
    "Europe/Helsinki",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour of daylight saving
    "Asia/Kathmandu",  # 5:45 ahead, and 5:30 until 1986
    "Pacific/Apia",  # 30 December 2011 never was
    "America/Sao_Paulo",  # midnights that never were, and midnights that were twice
    "Africa/Cairo",  # changes at midnight
    "Pacific/Chatham",
    "UTC",
]
HOURS = {  # that a week may have
    "Europe/Helsinki": {167, 168, 169},
    "America/New_York": {167, 168, 169},
    "Australia/Lord_Howe": {167.5, 168, 168.5},
    "Asia/Kathmandu": {168},
    "Pacific/Apia": {144, 167, 168, 169},
    "America/Sao_Paulo": {167, 168, 169},
    "Africa/Cairo": {167, 168, 169},
    "Pacific/Chatham": {167, 168, 169},
    "UTC": {168},
}
FIRST, LAST = datetime(2008, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def weeks_of(zone: str, first_day: int) -> Iterator[Week]:
    """Every week of these years, each asked for in its middle."""
    week = week_at(FIRST, timezone=zone, first_day=first_day)
    while week.ends_at < LAST:
        yield week
        week = week_at(week.ends_at + timedelta(days=3), timezone=zone, first_day=first_day)


def day_there(instant: datetime, zone: str) -> date:
    return instant.astimezone(ZoneInfo(zone)).date()


@pytest.mark.parametrize("first_day", [0, 4, 6])
@pytest.mark.parametrize("zone", WALLS)
def test_every_boundary_of_22_years_falls_on_the_second_between_two_days(zone: str, first_day: int) -> None:
    for week in weeks_of(zone, first_day):
        before, after = week.ends_at - SECOND, week.ends_at

        assert week_at(before, timezone=zone, first_day=first_day) == week
        assert week_at(after, timezone=zone, first_day=first_day).starts_at == week.ends_at
        assert week_at(after + SECOND, timezone=zone, first_day=first_day).starts_at == week.ends_at
        assert day_there(before, zone) < day_there(after, zone)
        assert day_there(after, zone).weekday() == first_day or zone == "Pacific/Apia"


@pytest.mark.parametrize("zone", WALLS)
def test_a_week_has_the_hours_that_the_clocks_give_it(zone: str) -> None:
    hours = {(week.ends_at - week.starts_at) / timedelta(hours=1) for week in weeks_of(zone, 0)}

    assert hours == HOURS[zone]


@pytest.mark.parametrize("first_day", range(7))
def test_a_day_that_never_was_is_in_no_week_and_breaks_none(first_day: int) -> None:
    """On Apia 29 December 2011 was followed by the 31st, a Thursday by a Saturday, at 10:00 UTC."""
    jump = datetime(2011, 12, 30, 10, tzinfo=UTC)
    around = [jump + timedelta(hours=hours) for hours in range(-200, 200)]

    weeks = [week_at(now, timezone="Pacific/Apia", first_day=first_day) for now in around]

    assert all(week.starts_at <= now < week.ends_at for now, week in zip(around, weeks, strict=True))
    distinct = sorted(set(weeks), key=lambda week: week.starts_at)
    assert all(one.ends_at == other.starts_at for one, other in itertools.pairwise(distinct))
    assert all(one.starts_at < one.ends_at for one in distinct)


@given(
    now=st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(ZONES),
    first_day=st.integers(0, 6),
)
def test_now_is_always_in_its_week(now: datetime, zone: str, first_day: int) -> None:
    week = week_at(now, timezone=zone, first_day=first_day)

    assert week.starts_at <= now < week.ends_at
    assert week.starts_at.astimezone(ZoneInfo(zone)).weekday() == first_day


def test_the_zone_of_now_does_not_matter() -> None:
    now = instant("2026-03-29T20:59")

    weeks = {week_at(now.astimezone(ZoneInfo(zone)), timezone="Europe/Helsinki", first_day=0) for zone in ZONES}

    assert len(weeks) == 1
