"""What pages of allowances never do: reach into other courses, slow down with rows, or run in a spreadsheet."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Membership
from apps.quotas import decisions
from apps.quotas.models import AllowanceRequest, Boost, LedgerEntry, Override, QuotaPolicy, RoleAllowance, WeeklyUsage
from tests import factories
from tests.admin.allowances import a_request, confirmed, decide, page_of, rows_of, students_of
from tests.admin.world import CourseWorld, add_page, list_of

FEW, MANY = 6, 60
OVERRIDE = {"weekly_tokens": 5, "starts_at_0": "2030-01-01", "starts_at_1": "00:00", "reason": "sneaky"}
BOOST = {**OVERRIDE, "factor": 2, "ends_at_0": "2030-01-02", "ends_at_1": "00:00"}


@pytest.fixture
def assisted(foreign: CourseWorld, teacher: Membership) -> CourseWorld:
    """A course in which the instructor of the other one only assists."""
    factories.make_assistant(course=foreign.course, user=teacher.user)
    return foreign


# Other courses


@pytest.mark.parametrize(
    ("model", "values"),
    [(RoleAllowance, {"role": "instructor", "weekly_tokens": 5}), (Boost, BOOST), (Override, OVERRIDE)],
)
@pytest.mark.parametrize("how", ["foreign", "assisted"])
def test_nothing_is_decided_in_a_course_that_one_does_not_change(
    how: str, model: type[Model], values: dict[str, Any], instructor: Client, request: pytest.FixtureRequest
) -> None:
    there: CourseWorld = request.getfixturevalue(how)
    owner = {"membership": there.student.pk} if model is Override else {"course": there.course.pk}
    before = model._default_manager.count()

    instructor.post(add_page(model), {**values, **owner})

    assert model._default_manager.count() == before


@pytest.mark.parametrize("how", ["foreign", "assisted"])
def test_no_action_and_no_button_reaches_a_course_that_one_does_not_change(
    how: str, instructor: Client, request: pytest.FixtureRequest
) -> None:
    there: CourseWorld = request.getfixturevalue(how)
    boost, override = there.row(Boost), there.row(Override)
    asked = a_request(factories.make_student(course=there.course))
    entries = LedgerEntry.objects.count()

    for row in (boost, override):
        instructor.post(list_of(type(row)), {"action": "end_now", "_selected_action": [row.pk]})
    instructor.post(reverse("admin:course_allowance_end", args=[there.course.slug, "boost", boost.pk]))
    for name in ("grant", "decline"):
        instructor.post(list_of(AllowanceRequest), {name: str(asked.pk)})
        instructor.post(list_of(AllowanceRequest), {"action": f"{name}_chosen", "_selected_action": [asked.pk]})
        instructor.post(reverse(f"admin:quotas_allowancerequest_{name}", args=[asked.pk]))
    for action in ("grant", "override", "end-override", "correct"):
        values = {"tokens": 5, "weekly_tokens": 5, "used_delta": 5, "reason": "sneaky"}
        assert instructor.post(decide(there, action), confirmed(there.student, **values)).status_code == 404
    boosted = instructor.post(reverse("admin:course_allowance_change", args=[there.course.slug, "boost"]), BOOST)
    assert boosted.status_code in (403, 404)

    asked.refresh_from_db()
    assert asked.state == "open"
    assert LedgerEntry.objects.count() == entries
    assert not Boost.objects.exclude(ended_at=None).exists()
    assert not Override.objects.exclude(ended_at=None).exists()


def test_a_foreign_week_is_found_by_no_address(instructor: Client, world: CourseWorld, foreign: CourseWorld) -> None:
    own_page = page_of(world.student)
    export = reverse("admin:course_student_export", args=[world.course.slug, world.student.pk])
    entries = instructor.get(f"{list_of(LedgerEntry)}?usage__id__exact={foreign.week.pk}")

    assert [instructor.get(f"{page}?week={foreign.week.pk}").status_code for page in (own_page, export)] == [404, 404]
    assert not entries.context["cl"].result_list


@pytest.mark.parametrize(
    "next_page", ["https://example.com/", "//example.com/", "/\\example.com", "javascript:alert(1)"]
)
def test_the_way_back_leads_to_the_admin(instructor: Client, world: CourseWorld, next_page: str) -> None:
    sent = confirmed(world.student, tokens=5, reason="x", next=next_page)

    assert instructor.post(decide(world, "grant"), sent).headers["location"] == students_of(world)


@pytest.mark.parametrize("key", ["0", "9" * 30, "9" * 5_000])
@pytest.mark.parametrize(
    "page", ["course/{}/", "course/{}/export/", "course/{}/grant/", "boost/{}/end/", "student/{}/"]
)
def test_keys_that_cannot_be_have_no_page(operator: Client, page: str, key: str) -> None:
    assert operator.get(f"{list_of(QuotaPolicy)}{page.format(key)}").status_code in (302, 404)


# Many rows


def _queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer: Any = client.get(address)
        assert answer.status_code == 200
        if answer.streaming:
            rows_of(answer)
    return len(queries)


PAGES: dict[str, Callable[[CourseWorld], str]] = {
    "students, exported": lambda world: reverse("admin:course_students_export", args=[world.course.slug]),
    "requests": lambda world: list_of(AllowanceRequest),
    "overrides": lambda world: list_of(Override),
    "boosts": lambda world: list_of(Boost),
    "weeks": lambda world: list_of(WeeklyUsage),
    "entries": lambda world: list_of(LedgerEntry),
    "a student": lambda world: page_of(world.student),
    "a confirmation": lambda world: (
        f"{decide(world, 'grant')}?"
        + "&".join(f"member={key}" for key in world.course.memberships.values_list("pk", flat=True))
    ),
}


@pytest.mark.parametrize("page", PAGES)
def test_a_course_of_sixty_costs_no_more_queries_than_one_of_six(
    page: str, instructor: Client, teacher: Membership, world: CourseWorld
) -> None:
    address = PAGES[page]
    fill(world, FEW, by=teacher)
    instructor.get(address(world))
    few = _queries(instructor, address(world))

    fill(world, MANY - FEW, by=teacher)

    assert _queries(instructor, address(world)) <= few + 1  # a list of several pages counts its rows


def fill(world: CourseWorld, count: int, *, by: Membership) -> None:
    """Students with a row of everything."""
    now = timezone.now()
    students = [factories.make_student(course=world.course) for _ in range(count)]
    for student in students:
        factories.make_week(student, used=5)
        factories.make_override(student)
        factories.make_boost(course=world.course)
        a_request(student)
    decisions.correct([world.student, *students], tokens=1, reason="x", by=by.user, now=now)


# Spreadsheets


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}"])
def test_no_text_of_anybody_runs_in_a_spreadsheet(
    begin: str, instructor: Client, teacher: Membership, world: CourseWorld
) -> None:
    text = f"{begin}1+1"
    user = factories.make_user(first_name=text)
    student = factories.make_student(course=world.course, user=user, external_id=f"{text}{user.pk}")
    decisions.grant([student], tokens=5, reason=text, by=teacher.user, now=timezone.now())

    students = rows_of(instructor.get(reverse("admin:course_students_export", args=[world.course.slug])))
    entries = rows_of(instructor.get(reverse("admin:course_student_export", args=[world.course.slug, student.pk])))

    row = next(row for row in students if row["student_number"].endswith(f"1+1{user.pk}"))
    assert [cell[:2] for cell in (row["student_number"], entries[0]["reason"])] == [f"'{begin}"] * 2
    assert not row["name"].startswith(begin)
