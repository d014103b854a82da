"""When a rule is in force, on clocks that are set forward and back too."""

from datetime import UTC, datetime, time

import pytest

from apps.rules.schedules import ALWAYS, Schedule
from tests.rules.test_rulebook import a_rule

HELSINKI, NEW_YORK, KATHMANDU = "Europe/Helsinki", "America/New_York", "Asia/Kathmandu"
EXAM = Schedule(weekdays="1", from_time=time(9), until_time=time(12, 30))  # Tuesdays, 9 to 12:30
NIGHT = Schedule(weekdays="4", from_time=time(22), until_time=time(2))  # from Friday evening into Saturday


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# 2026: 24 November is a Tuesday. Helsinki is at +2 in winter and +3 in summer, New York at -5 and -4.
TABLE = [
    (ALWAYS, HELSINKI, "2026-11-24 07:00", True),
    # Instants: the start is part of it, the end is not.
    (Schedule(starts_at=utc("2026-11-24 07:00")), HELSINKI, "2026-11-24 07:00", True),
    (Schedule(starts_at=utc("2026-11-24 07:00")), HELSINKI, "2026-11-24 06:59:59", False),
    (Schedule(ends_at=utc("2026-11-24 07:00")), HELSINKI, "2026-11-24 06:59:59", True),
    (Schedule(ends_at=utc("2026-11-24 07:00")), HELSINKI, "2026-11-24 07:00", False),
    # Hours, on the clock of the course.
    (EXAM, HELSINKI, "2026-11-24 06:59", False),
    (EXAM, HELSINKI, "2026-11-24 07:00", True),
    (EXAM, HELSINKI, "2026-11-24 10:29:59", True),
    (EXAM, HELSINKI, "2026-11-24 10:30", False),
    (EXAM, HELSINKI, "2026-11-25 08:00", False),
    (EXAM, NEW_YORK, "2026-11-24 13:59", False),
    (EXAM, NEW_YORK, "2026-11-24 14:00", True),
    (EXAM, KATHMANDU, "2026-11-24 03:15", True),
    (EXAM, KATHMANDU, "2026-11-24 03:14", False),
    # The same hours in summer are another time in UTC.
    (EXAM, HELSINKI, "2026-06-23 06:00", True),
    (EXAM, HELSINKI, "2026-06-23 09:30", False),
    # Both kinds of bounds have to hold.
    (
        Schedule(ends_at=utc("2026-11-24 08:00"), from_time=time(9), until_time=time(12)),
        HELSINKI,
        "2026-11-24 09:00",
        False,
    ),
    # One end left open reaches to midnight.
    (Schedule(from_time=time(20)), "UTC", "2026-11-24 23:59", True),
    (Schedule(from_time=time(20)), "UTC", "2026-11-24 19:59", False),
    (Schedule(until_time=time(6)), "UTC", "2026-11-24 05:59", True),
    (Schedule(until_time=time(6)), "UTC", "2026-11-24 06:00", False),
    (Schedule(from_time=time(20), until_time=time(0)), "UTC", "2026-11-24 23:00", True),
    (Schedule(from_time=time(20), until_time=time(0)), "UTC", "2026-11-25 00:00", False),
    # Days alone are whole days.
    (Schedule(weekdays="56"), NEW_YORK, "2026-11-28 05:00", True),
    (Schedule(weekdays="56"), NEW_YORK, "2026-11-28 04:59", False),
    # Past midnight, the hours belong to the day on which they began.
    (NIGHT, "UTC", "2026-11-27 21:59", False),
    (NIGHT, "UTC", "2026-11-27 22:00", True),
    (NIGHT, "UTC", "2026-11-28 01:59", True),
    (NIGHT, "UTC", "2026-11-28 02:00", False),
    (NIGHT, "UTC", "2026-11-27 01:00", False),
    (NIGHT, "UTC", "2026-11-28 22:30", False),
    # Clocks set back, Helsinki, Sunday 25 October 2026, 04:00 +3 becomes 03:00 +2: the hour counts twice.
    (Schedule(from_time=time(3), until_time=time(4)), HELSINKI, "2026-10-25 00:30", True),
    (Schedule(from_time=time(3), until_time=time(4)), HELSINKI, "2026-10-25 01:30", True),
    (Schedule(from_time=time(3), until_time=time(4)), HELSINKI, "2026-10-25 02:00", False),
    # Clocks set forward, Sunday 29 March 2026, 03:00 +2 becomes 04:00 +3: no clock shows the hour.
    (Schedule(from_time=time(3), until_time=time(4)), HELSINKI, "2026-03-29 00:59", False),
    (Schedule(from_time=time(3), until_time=time(4)), HELSINKI, "2026-03-29 01:00", False),
    (Schedule(from_time=time(2), until_time=time(5)), HELSINKI, "2026-03-29 00:59", True),
    (Schedule(from_time=time(2), until_time=time(5)), HELSINKI, "2026-03-29 01:00", True),
    (Schedule(from_time=time(2), until_time=time(5)), HELSINKI, "2026-03-29 02:00", False),
    # A night over the change of clocks, New York, from Saturday 31 October into Sunday 1 November 2026.
    (Schedule(weekdays="5", from_time=time(22), until_time=time(3)), NEW_YORK, "2026-11-01 07:59", True),
    (Schedule(weekdays="5", from_time=time(22), until_time=time(3)), NEW_YORK, "2026-11-01 08:00", False),
]


@pytest.mark.parametrize(("schedule", "timezone", "now", "covered"), TABLE)
def test_a_schedule_covers_what_it_says(schedule: Schedule, timezone: str, now: str, covered: bool) -> None:
    assert schedule.covers(utc(now), timezone=timezone) is covered


@pytest.mark.parametrize(
    ("tag", "of_the_call", "active"),
    [("", "", True), ("", "lab-1", True), ("lab-1", "lab-1", True), ("lab-1", "", False), ("lab-1", "lab-2", False)],
)
def test_a_tagged_rule_holds_for_calls_with_its_tag(tag: str, of_the_call: str, active: bool) -> None:
    rule = a_rule(assignment=tag)

    assert rule.is_active(now=utc("2026-11-24 07:00"), timezone="UTC", assignment=of_the_call) is active


def test_a_tagged_rule_out_of_its_hours_does_not_hold() -> None:
    rule = a_rule(assignment="lab-1", schedule=EXAM)

    assert not rule.is_active(now=utc("2026-11-25 09:00"), timezone="UTC", assignment="lab-1")
