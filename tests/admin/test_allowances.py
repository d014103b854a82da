"""What staff see of allowances."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Membership
from apps.common.display import number
from apps.quotas import decisions
from apps.quotas.ledger import booking
from apps.quotas.ledger.audit import audit
from apps.quotas.models import AllowanceRequest, LedgerEntry, Override, QuotaPolicy, WeeklyUsage
from tests import factories
from tests.admin.allowances import ALLOWANCE, a_request, confirmed, decide, left_of, page_of, rows_of, students_of
from tests.admin.world import CourseWorld, list_of
from tests.admin.world import page_of as page_of_row

pytestmark = pytest.mark.usefixtures("plain_allowance")


# Who may


def addresses(world: CourseWorld, asked: AllowanceRequest) -> list[str]:
    return [
        students_of(world),
        reverse("admin:course_students_export", args=[world.course.slug]),
        reverse("admin:course_allowance", args=[world.course.slug]),
        page_of(world.student),
        reverse("admin:course_student_export", args=[world.course.slug, world.student.pk]),
        reverse("admin:quotas_allowancerequest_change", args=[asked.pk]),
    ]


def boosts_of(world: CourseWorld) -> str:
    return reverse("admin:course_allowance_change", args=[world.course.slug, "boost"])


def old_boosts_of(world: CourseWorld) -> str:
    return reverse("admin:quotas_boosts", args=[world.course.pk])


def test_staff_of_the_course_may_look(
    instructor: Client, assistant: Client, operator: Client, world: CourseWorld, asked: AllowanceRequest
) -> None:
    for client in (instructor, assistant, operator):
        assert [client.get(address).status_code for address in addresses(world, asked)] == [200] * 6


def test_what_is_not_yours_does_not_exist(student: Client, foreign: CourseWorld, instructor: Client) -> None:
    asked = foreign.student.allowance_requests.first() or a_request(foreign.student)

    for client in (student, instructor, Client()):
        assert all(client.get(address).status_code in (302, 404) for address in addresses(foreign, asked))
    for address in (decide(foreign, "grant"), boosts_of(foreign), old_boosts_of(foreign)):
        assert instructor.post(address, confirmed(foreign.student, tokens=5, reason="x")).status_code == 404
    assert not LedgerEntry.objects.filter(kind="grant").exists()


def test_assistants_look_and_do_not_decide(assistant: Client, world: CourseWorld, asked: AllowanceRequest) -> None:
    granted = assistant.post(decide(world, "grant"), confirmed(world.student, tokens=5, reason="x"))
    one_click = assistant.post(reverse("admin:quotas_allowancerequest_grant", args=[asked.pk]))
    boosted = assistant.post(boosts_of(world), {"factor": "2"})

    assert [granted.status_code, one_click.status_code, boosted.status_code] == [404, 404, 403]
    assert "Grant tokens" not in assistant.get(page_of(world.student)).content.decode()


def test_the_address_of_boosts_leads_to_the_allowance_page(instructor: Client, world: CourseWorld) -> None:
    answer = instructor.get(old_boosts_of(world))

    assert answer["Location"] == reverse("admin:course_allowance", args=[world.course.slug]) + "#boost"


def test_members_of_another_course_are_not_reached(
    instructor: Client, world: CourseWorld, foreign: CourseWorld
) -> None:
    instructor.post(decide(world, "grant"), confirmed(world.student, foreign.student, tokens=500, reason="Ok"))

    assert left_of(world.student) == ALLOWANCE - world.week.used + 500
    assert not LedgerEntry.objects.filter(kind="grant", usage__account=foreign.student.pk).exists()


# Looking


def test_who_has_least_left_comes_first(instructor: Client, world: CourseWorld) -> None:
    poor, rich = factories.make_student(course=world.course), factories.make_student(course=world.course)
    factories.make_week(poor, used=ALLOWANCE)

    page = instructor.get(students_of(world)).context["page"]

    order = [one.member for one in page]
    assert order.index(poor) < order.index(world.student) < order.index(rich)
    assert [one.state for one in page if one.member in (poor, rich)] == ["out", "keyless"]


@pytest.mark.parametrize(("query", "found"), [("state=out", 1), ("state=near", 0), ("q=nobody-like-this", 0)])
def test_students_are_filtered(instructor: Client, world: CourseWorld, query: str, found: int) -> None:
    factories.make_week(factories.make_student(course=world.course), used=ALLOWANCE)

    answer = instructor.get(f"{students_of(world)}?{query}")

    assert len(answer.context["page"].object_list) == found
    assert found or "No student of this course matches" in answer.content.decode()


def test_many_students_take_no_more_queries_than_one(
    instructor: Client, world: CourseWorld, django_assert_max_num_queries: Any
) -> None:
    instructor.get(students_of(world))
    for _ in range(60):
        factories.make_student(course=world.course)

    with django_assert_max_num_queries(22):
        instructor.get(students_of(world))


def test_the_ledger_of_a_week_adds_up_to_its_bar(instructor: Client, world: CourseWorld, teacher: Membership) -> None:
    decisions.correct([world.student], tokens=-200, reason="Twice", by=teacher.user, now=timezone.now())

    answer = instructor.get(f"{page_of(world.student)}?ledger=1")

    newest = answer.context["page"].object_list[0]
    assert newest.used_so_far == answer.context["week"].used == world.week.used - 200
    assert "Corrected by staff" in answer.content.decode()
    assert audit().drift == 0


@pytest.mark.parametrize("page", ["of the student", "of the week"])
def test_every_sum_of_a_week_is_in_its_lines(instructor: Client, world: CourseWorld, page: str) -> None:
    booking.grant(world.student, tokens=700, by=None, reason="x", now=timezone.now())
    address = f"{page_of(world.student)}?ledger=1" if page == "of the student" else page_of_row(world.week)

    text = instructor.get(address).content.decode()

    assert f"3 {'lines' if page == 'of the student' else 'entries'} add up to {number(1_200)} used" in text
    assert "0 held and 700 granted" in text
    assert all(f"{word} after</th>" in text for word in ("Held", "Used", "Granted"))


def test_all_students_of_a_page_are_chosen_at_once(instructor: Client, world: CourseWorld) -> None:
    for _ in range(3):
        factories.make_student(course=world.course)

    chosen = [
        instructor.get(f"{students_of(world)}?{query}").content.decode().count(" checked") for query in ("", "all=1")
    ]

    assert chosen == [0, world.course.memberships.count()]


def test_a_reason_is_shown_as_text(instructor: Client, world: CourseWorld, asked: AllowanceRequest) -> None:
    for address in (page_of(world.student), reverse("admin:quotas_allowancerequest_changelist")):
        page = instructor.get(address).content.decode()

        assert "&lt;b&gt;Long&lt;/b&gt;" in page
        assert "<b>Long</b>" not in page


def test_a_limit_is_explained(instructor: Client, world: CourseWorld, teacher: Membership) -> None:
    now = timezone.now()
    override = Override(membership=world.student, weekly_tokens=77_777, starts_at=now, reason="Thesis")
    decisions.give(override, by=teacher.user, now=now)

    page = instructor.get(page_of(world.student)).content.decode()

    assert "77\N{NARROW NO-BREAK SPACE}777 (own allowance)" in page
    assert "Thesis" in page


def test_weekly_usage_tells_the_limit_that_calls_obey(instructor: Client, world: CourseWorld) -> None:
    factories.make_override(world.student, weekly_tokens=30_000)
    factories.make_boost(course=world.course, factor=2)
    booking.grant(world.student, tokens=500, by=None, reason="x", now=timezone.now())

    pages = [instructor.get(list_of(WeeklyUsage)), instructor.get(page_of_row(world.week))]

    assert left_of(world.student) == 60_500 - world.week.used
    assert all("of 60\N{NARROW NO-BREAK SPACE}500<" in page.content.decode() for page in pages)


def test_the_page_of_a_week_says_whose_it_is(instructor: Client, world: CourseWorld) -> None:
    page: Any = instructor.get(page_of_row(world.week))

    assert f"{world.student.external_id} · " in str(page.context["original"])
    assert "Student in a course" not in str(page.context["subtitle"])


def test_a_week_that_is_over_claims_no_limit(instructor: Client, world: CourseWorld) -> None:
    """What the limit was then is kept nowhere."""
    WeeklyUsage.objects.filter(pk=world.week.pk).update(
        starts_at=world.week.starts_at - timedelta(days=7), ends_at=world.week.starts_at
    )

    page = instructor.get(f"{list_of(WeeklyUsage)}?week=past").content.decode()

    assert "1\N{NARROW NO-BREAK SPACE}200" in page
    assert f"of {number(ALLOWANCE)}" not in page
    assert "no limit" not in page


@pytest.mark.parametrize("address", ["/admin/?all=1", "/admin/accounts/course/"])
def test_a_course_is_measured_by_its_limit_with_boost_and_grants(
    address: str, instructor: Client, world: CourseWorld
) -> None:
    QuotaPolicy.objects.filter(course=world.course).update(weekly_tokens=100_000)
    factories.make_boost(course=world.course, factor="1.5", multiplies_course=True)
    factories.make_boost(course=world.course, factor=3)
    booking.grant(world.course, tokens=700, by=None, reason="x", now=timezone.now())

    page = instructor.get(address).content.decode()

    assert f"of {number(150_700)}<" in page


# Exports


def test_students_are_exported_with_what_is_left(instructor: Client, world: CourseWorld) -> None:
    rows = rows_of(instructor.get(reverse("admin:course_students_export", args=[world.course.slug])))

    row = next(row for row in rows if row["student_number"] == world.student.external_id)
    assert (row["used"], row["left"]) == (str(world.week.used), str(ALLOWANCE - world.week.used))


def test_text_that_a_spreadsheet_would_run_is_quoted_and_numbers_stay_numbers(
    instructor: Client, world: CourseWorld, teacher: Membership
) -> None:
    now = timezone.now()
    decisions.correct([world.student], tokens=-5, reason='=HYPERLINK("http://x")', by=teacher.user, now=now)

    rows = rows_of(instructor.get(reverse("admin:course_student_export", args=[world.course.slug, world.student.pk])))

    assert rows[-1]["reason"].startswith("'=HYPERLINK")
    assert rows[-1]["used"] == "-5"
    assert int(rows[-1]["used_after"]) == world.week.used - 5


def test_what_is_shown_is_exported(instructor: Client, world: CourseWorld) -> None:
    poor = factories.make_student(course=world.course)
    factories.make_week(poor, used=ALLOWANCE)
    export = reverse("admin:course_students_export", args=[world.course.slug])

    page = instructor.get(f"{students_of(world)}?state=out").content.decode()
    rows = rows_of(instructor.get(f"{export}?state=out&q={poor.external_id}"))

    assert f"{export}?state=out&amp;q=" in page
    assert [row["student_number"] for row in rows] == [poor.external_id]


def test_a_course_without_an_allowance_is_offered_one(
    instructor: Client, assistant: Client, world: CourseWorld
) -> None:
    QuotaPolicy.objects.all().delete()

    texts = [client.get(students_of(world)).content.decode() for client in (instructor, assistant)]

    assert ["every call is refused" in text for text in texts] == [True, True]
    assert ["Give it one" in text for text in texts] == [True, False]
