"""Kept figures: every call is counted once, whenever its row comes, and a week adds up to what the ledger charged."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from apps.accounts.models import Course, Membership
from apps.common.ids import first_id
from apps.conversations.figures import keeping
from apps.conversations.figures.counting import CountedCall, FailedAttempt, UseCount, by_provider, total
from apps.conversations.figures.reading import providers_since, use_of
from apps.conversations.models import Call, CallAttempt, CourseUse, FiguresMark
from apps.quotas.models import Hold, WeeklyUsage
from gateway_project.demo_data import Size, fill
from tests import factories

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)  # a Friday
LONG_AGO = timedelta(hours=2)
pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Membership:
    FiguresMark.objects.update_or_create(pk=1, defaults={"counted_to": ""})
    Call.objects.all().delete()
    CourseUse.objects.all().delete()
    return factories.make_ada()


def call(member: Membership, *, at: datetime, **values: Any) -> Call:
    id = f"{int(first_id(at), 16) + Call.objects.count():032x}"
    return factories.make_call(member, id=id, started_at=at, **{"charged": 10, **values})


def use(course: Course, *, since: date = date(2026, 11, 1)) -> UseCount:
    return total(use_of({course.pk: ZoneInfo(course.timezone)}, since=since).values())


def test_each_outcome_is_counted_kept_or_not(ada: Membership) -> None:
    for status in Call.Status.values:
        call(ada, at=NOW - LONG_AGO, status=status)
    call(ada, at=NOW - LONG_AGO, attempts=2)
    live = use(ada.course)

    kept = keeping.keep(now=NOW), keeping.keep(now=NOW)

    assert kept == (7, 0)
    expected = UseCount(calls=7, answered=3, rescued=1, blocked=1, out_of_quota=1, failed=2, charged=70)
    assert live == use(ada.course) == expected


def test_calls_that_have_come_since_are_read_live(ada: Membership) -> None:
    call(ada, at=NOW - LONG_AGO)
    keeping.keep(now=NOW)

    call(ada, at=NOW)

    assert keeping.keep(now=NOW) == 0
    assert use(ada.course).calls == 2


def test_counting_waits_for_a_call_that_still_runs(ada: Membership) -> None:
    started = NOW - 2 * LONG_AGO
    hold = Hold.objects.create(
        id=first_id(started), owner="", amount=1, floor=0, usage_ids="[]", identity="{}", created_at=NOW, expires_at=NOW
    )
    call(ada, at=NOW - LONG_AGO)
    assert keeping.keep(now=NOW) == 0

    factories.make_call(ada, id=hold.pk, started_at=started, charged=5)  # its row comes with a lower id
    hold.state = Hold.State.SETTLED
    hold.save()

    assert keeping.keep(now=NOW) == 2
    assert use(ada.course).charged == 15


def test_a_worker_that_was_overtaken_adds_nothing(ada: Membership) -> None:
    one = call(ada, at=NOW - LONG_AGO)
    keeping.keep(now=NOW)

    keeping._store("", one.pk, keeping.by_day([_counted(one)], keeping.zones()), {})

    assert use(ada.course).calls == 1


def test_rows_that_come_late_are_found(ada: Membership) -> None:
    call(ada, at=NOW - LONG_AGO)
    keeping.keep(now=NOW)
    late = call(ada, at=NOW - 2 * LONG_AGO, charged=7)
    assert use(ada.course).charged == 10

    assert keeping.count_again(now=NOW) == 1
    assert use(ada.course).charged == 17

    Call.objects.filter(pk=late.pk).update(charged=9)  # corrected after a crash
    assert keeping.count_again(now=NOW) == 1
    assert use(ada.course).charged == 19
    assert keeping.count_again(now=NOW) == 0


def test_what_deleted_students_used_stays(ada: Membership) -> None:
    call(ada, at=NOW - LONG_AGO)
    keeping.keep(now=NOW)
    course = ada.course
    ada.delete()

    keeping.count_again(now=NOW)

    assert use(course).calls == 1


def test_a_day_is_one_of_the_courses_clock(ada: Membership) -> None:
    Course.objects.filter(pk=ada.course_id).update(timezone="Asia/Tokyo")
    call(ada, at=datetime(2026, 11, 25, 16, 0, tzinfo=UTC))

    keeping.keep(now=NOW)

    assert CourseUse.objects.get(course=ada.course_id).day == date(2026, 11, 26)


def test_the_days_of_each_week_add_up_to_the_ledger() -> None:
    fill(Size(calls=300, courses=4, students=4, days=10, seed=78), now=NOW)
    keeping.keep(now=NOW - timedelta(days=1))

    for week in WeeklyUsage.objects.filter(kind="course"):
        course = Course.objects.get(pk=week.account)
        clock = ZoneInfo(course.timezone)
        first, end = (at.astimezone(clock).date() for at in (week.starts_at, week.ends_at))
        days = use_of({course.pk: clock}, since=first)
        assert sum(count.charged for place, count in days.items() if place.day < end) == week.used


def test_providers_are_counted_by_half_hour(ada: Membership) -> None:
    call(ada, at=NOW - LONG_AGO, provider="north")
    failed = call(ada, at=NOW - LONG_AGO, status="failed")
    CallAttempt.objects.create(call=failed, number=1, provider="north", upstream_model="m", outcome="timeout")
    live = providers_since(NOW - 2 * LONG_AGO)

    keeping.keep(now=NOW)

    at = NOW - LONG_AGO
    assert live == providers_since(NOW - 2 * LONG_AGO) == {("north", at): (1, 1), ("", at): (0, 1)}


def test_an_attempt_counts_when_its_call_began() -> None:
    at = datetime(2026, 11, 27, 9, 44, 59, tzinfo=UTC)

    counts = by_provider([], [FailedAttempt("a", "north", "timeout"), FailedAttempt("b", "x", "y")], at={"a": at})

    assert counts == {("north", datetime(2026, 11, 27, 9, 30, tzinfo=UTC)): (0, 1)}


def _counted(call: Call) -> CountedCall:
    return CountedCall(
        call.pk, call.course_id, call.model, call.status, call.attempts, call.provider, call.charged, call.started_at
    )
