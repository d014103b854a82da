"""Today, the first page of a course: what waits is decided in place, and figures reconcile with the ledger."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Course
from apps.conversations.figures import keeping
from apps.quotas.models import AllowanceRequest, WeeklyUsage
from apps.rules.models import Rule
from apps.rules.models.versions import RuleVersion
from gateway_project.site.forecasts import forecast
from tests import factories
from tests.admin.world import CourseWorld

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def today(client: Client, course: Course) -> Any:
    return client.get(reverse("admin:course_today", args=[course.slug]))


def decide(client: Client, row: AllowanceRequest, **values: str) -> Any:
    address = reverse("admin:course_decide", args=[row.membership.course.slug, row.pk])
    return client.post(address, values, follow=True)


@pytest.mark.parametrize(
    ("used", "limit", "days", "kind", "ends"),
    [
        (10, None, 2, "unlimited", None),
        (100, 100, 2, "used up", None),
        (10, 100, 0.4, "too early", None),
        (0, 100, 2, "lasts", None),
        (20, 100, 2, "lasts", None),
        (50, 100, 2, "ends", MONDAY + timedelta(days=4)),
    ],
)
def test_a_forecast(used: int, limit: int | None, days: float, kind: str, ends: datetime | None) -> None:
    now = MONDAY + timedelta(days=days)

    found = forecast(used=used, limit=limit, starts_at=MONDAY, ends_at=MONDAY + timedelta(days=7), now=now)

    assert (found.kind, found.ends_at) == (kind, ends)
    if ends:
        assert found.words(ZoneInfo("UTC")) == "lasts until Friday at this pace"


def test_a_request_is_granted_on_the_page(instructor: Client, world: CourseWorld, asked: AllowanceRequest) -> None:
    page = today(instructor, world.course).content.decode()
    assert "&lt;b&gt;Long&lt;/b&gt; project" in page

    after = decide(instructor, asked, decision="grant", tokens="2000")

    assert after.redirect_chain[-1][0] == reverse("admin:course_today", args=[world.course.slug])
    assert "tokens granted to" in after.content.decode()
    assert 'class="stoa-undo"' in after.content.decode()
    asked.refresh_from_db()
    assert (asked.state, asked.granted_tokens) == ("granted", 2000)
    assert "asks for" not in today(instructor, world.course).content.decode()


def test_what_another_decided_meanwhile_is_said(instructor: Client, asked: AllowanceRequest) -> None:
    decide(instructor, asked, decision="decline", answer="Wait until Monday.")

    late = decide(instructor, asked, decision="grant", tokens="2000")

    assert "declined in the meantime" in late.content.decode()
    asked.refresh_from_db()
    assert (asked.state, asked.answer) == ("declined", "Wait until Monday.")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"decision": "decline", "answer": "  "}, "a sentence when you decline"),
        ({"decision": "grant", "tokens": "-5"}, "how many tokens"),
        ({"decision": "grant", "tokens": "9" * 30}, "how many tokens"),
        ({}, "a sentence when you decline"),
    ],
)
def test_half_a_decision_changes_nothing(
    values: dict[str, str], said: str, instructor: Client, asked: AllowanceRequest
) -> None:
    assert said in decide(instructor, asked, **values).content.decode()

    asked.refresh_from_db()
    assert asked.state == "open"


def test_requests_of_other_courses_are_not_found(instructor: Client, world: CourseWorld, foreign: CourseWorld) -> None:
    theirs = foreign.student.allowance_requests.get()
    address = reverse("admin:course_decide", args=[world.course.slug, theirs.pk])

    assert instructor.post(address, {"decision": "grant", "tokens": "5"}).status_code == 404
    assert decide(instructor, theirs, decision="grant", tokens="5").status_code == 404
    theirs.refresh_from_db()
    assert theirs.state == "open"
    assert instructor.get(address).status_code in (404, 405)


def test_a_rule_that_was_watched_for_a_day_waits(instructor: Client, world: CourseWorld) -> None:
    Rule.objects.filter(pk=world.rule.pk).update(stage="observe")
    assert "watched for" not in today(instructor, world.course).content.decode()

    RuleVersion.objects.filter(rule=world.rule).update(at=datetime.now(UTC) - timedelta(days=2))

    assert "watched for 2 days" in today(instructor, world.course).content.decode()


def test_figures_name_what_the_calls_do_not_explain(instructor: Client, world: CourseWorld) -> None:
    now = datetime.now(UTC)
    monday = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=now.weekday())
    WeeklyUsage.objects.update_or_create(
        kind="course",
        account=world.course.pk,
        starts_at=monday,
        defaults={"used": 1_000, "ends_at": monday + timedelta(days=7)},
    )

    sums = today(instructor, world.course).context["sums"]

    assert sums.used == 1_000
    assert sums.calls + sums.corrected + sums.rest == 1_000


def test_a_new_course_shows_what_it_lacks(operator: Client) -> None:
    course = factories.make_course(allowance=None, title="e\u0301\u0302 <i>" + "x" * 190)

    page = today(operator, course).content.decode()

    assert "Before the first call" in page
    assert "The course has no allowance: every call is refused." in page
    assert "Allow a model" in page
    assert "<i>x" not in page


def test_the_page_takes_few_queries(instructor: Client, world: CourseWorld, django_assert_max_num_queries: Any) -> None:
    for _ in range(3):
        student = factories.make_student(course=world.course)
        factories.make_call(student)
        factories.make_request(student)

    WeeklyUsage.objects.filter(kind="course", account=world.course.pk).update(used=0)
    keeping.keep(now=datetime.now(UTC) + timedelta(hours=1))
    today(instructor, world.course)  # the session remembers the course
    with django_assert_max_num_queries(30):
        assert today(instructor, world.course).status_code == 200
