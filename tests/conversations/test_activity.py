"""What a rule found, day by day."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from apps.accounts.models import Course, Membership
from apps.conversations import activity
from apps.rules.models import Rule
from tests import factories
from tests.conversations.history import NOW, hit, recorded

UTC_ZONE = ZoneInfo("UTC")


@pytest.fixture
def rule(course: Course) -> Rule:
    return factories.make_rule(course=course)


def of(rule: Rule, zone: ZoneInfo = UTC_ZONE, now: datetime = NOW) -> activity.Activity:
    return activity.of_rule(rule, zone=zone, now=now)


def counts(found: activity.Activity) -> dict[str, dict[str, int]]:
    series = found.chart.series
    return {day.day.isoformat(): dict(zip(series, day.counts, strict=True)) for day in found.chart.days if day.total}


def test_calls_are_counted_once_however_often_a_rule_was_found_in_them(ada: Membership, rule: Rule) -> None:
    call = recorded(ada)
    hit(rule, call)
    hit(rule, call, start=10)

    found = of(rule)

    assert (found.calls, found.students) == (1, 1)
    assert counts(found) == {"2026-10-29": {"blocked": 1}}


def test_students_are_told_apart(ada: Membership, mia: Membership, rule: Rule) -> None:
    for member in (ada, ada, mia):
        hit(rule, recorded(member))

    assert (of(rule).calls, of(rule).students) == (3, 2)


@pytest.mark.parametrize(
    ("stage", "action", "outcome"),
    [
        ("observe", "block", "observed"),
        ("warn", "redact", "warned"),
        ("enforce", "block", "blocked"),
        ("enforce", "redact", "redacted"),
        ("enforce", "flag", "flagged"),
        ("enforce", "guide", "guided"),
    ],
)
def test_what_it_came_to_is_told_apart(stage: str, action: str, outcome: str, ada: Membership, rule: Rule) -> None:
    hit(rule, recorded(ada), stage=stage, action=action)

    assert counts(of(rule)) == {"2026-10-29": {outcome: 1}}


def test_days_begin_at_the_course_s_midnight_also_when_clocks_are_set_back(ada: Membership, rule: Rule) -> None:
    """In Helsinki the 25th of October 2026 has 25 hours: from 21:00 to 22:00 in UTC."""
    helsinki = ZoneInfo("Europe/Helsinki")
    for instant in ((24, 20, 59), (24, 21, 0), (25, 21, 59), (25, 22, 0)):
        at = datetime(2026, 10, *instant, tzinfo=UTC)
        hit(rule, recorded(ada, days_ago=0, now=at))

    found = of(rule, helsinki)

    assert {day: sum(row.values()) for day, row in counts(found).items()} == {
        "2026-10-24": 1,
        "2026-10-25": 2,
        "2026-10-26": 1,
    }


def test_the_last_thirty_days_are_drawn_up_to_today(ada: Membership, rule: Rule) -> None:
    hit(rule, recorded(ada, days_ago=29))
    hit(rule, recorded(ada, days_ago=31))

    found = of(rule)

    assert (found.chart.days[0].day, found.chart.days[-1].day) == (date(2026, 10, 1), date(2026, 10, 30))
    assert (found.calls, len(found.latest)) == (1, 2)


def test_other_rules_are_not_counted(ada: Membership, course: Course, rule: Rule) -> None:
    hit(factories.make_rule(course=course), recorded(ada))

    assert (of(rule).calls, of(rule).latest) == (0, [])


def test_the_latest_are_shown_newest_first_and_each_once(ada: Membership, rule: Rule) -> None:
    calls = [recorded(ada, days_ago=number) for number in range(activity.LATEST + 5)]
    for call in calls:
        hit(rule, call)
        hit(rule, call, start=20)

    assert [row.call_id for row in of(rule).latest] == [call.pk for call in calls[: activity.LATEST]]


def test_of_very_many_calls_the_students_are_not_counted(
    ada: Membership, rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "MOST_COUNTED", 1)
    for _ in range(2):
        hit(rule, recorded(ada))

    assert of(rule).students is None


def test_it_takes_three_questions(ada: Membership, rule: Rule, django_assert_num_queries: Any) -> None:
    for number in range(25):
        hit(rule, recorded(ada, days_ago=number))

    with django_assert_num_queries(3):
        of(rule)
