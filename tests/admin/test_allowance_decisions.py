"""What staff decide about allowances: grants, corrections, overrides and boosts."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Membership
from apps.common.display import number, when
from apps.quotas import decisions
from apps.quotas.models import AllowanceRequest, LedgerEntry
from tests import factories
from tests.admin.allowances import ALLOWANCE, confirmed, decide, left_of
from tests.admin.world import CourseWorld
from tests.admin.world import page_of as page_of_row

pytestmark = pytest.mark.usefixtures("plain_allowance")


def test_a_grant_adds_once_and_says_who_and_why(instructor: Client, world: CourseWorld, teacher: Membership) -> None:
    before = left_of(world.student)

    asked_first = instructor.get(f"{decide(world, 'grant')}?member={world.student.pk}")
    done = instructor.post(decide(world, "grant"), confirmed(world.student, tokens=700, reason="Lab was down"))

    entry = LedgerEntry.objects.get(kind="grant")
    assert asked_first.status_code == 200
    assert done.status_code == 302
    assert left_of(world.student) == before + 700
    assert (entry.granted_delta, entry.actor, entry.note) == (700, teacher.user, "Lab was down")


@pytest.mark.parametrize(
    ("action", "values", "wrong"),
    [
        ("grant", {"tokens": "", "reason": "x"}, "This field is required"),
        ("grant", {"tokens": "-5", "reason": "x"}, "greater than or equal to 1"),
        ("grant", {"tokens": "5", "reason": ""}, "This field is required"),
        ("correct", {"used_delta": "0", "reason": "x"}, "Zero changes nothing"),
        ("override", {"weekly_tokens": "5", "ends_at": "2020-01-01T10:00", "reason": "x"}, "has passed"),
        ("override", {"weekly_tokens": "5", "ends_at": "9999-12-31T23:59", "reason": "x"}, "from 2000 to 2100"),
        ("grant", {"tokens": "9" * 30, "reason": "x"}, "less than or equal to"),
        ("grant", {"tokens": "9" * 5_000, "reason": "x"}, "Enter a whole number"),
        ("grant", {"tokens": "1.5", "reason": "x"}, "Enter a whole number"),
        ("grant", {"tokens": "5", "reason": "x" * 1_001}, "at most 1000 characters"),
        ("grant", {"tokens": "5", "reason": "x\x00"}, "Null characters are not allowed"),
    ],
)
def test_a_wrong_form_says_what_to_do_and_does_nothing(
    instructor: Client, world: CourseWorld, action: str, values: dict[str, str], wrong: str
) -> None:
    world.course.timezone = "America/New_York"
    world.course.save()
    before = LedgerEntry.objects.count()

    answer = instructor.post(decide(world, action), confirmed(world.student, **values))

    assert answer.status_code == 200
    assert wrong in answer.content.decode()
    assert LedgerEntry.objects.count() == before


@pytest.mark.parametrize(
    ("action", "values"),
    [("grant", {"tokens": 700}), ("correct", {"used_delta": -50}), ("override", {"weekly_tokens": 50_000})],
)
def test_a_form_that_is_sent_twice_counts_once_and_says_so(
    instructor: Client, world: CourseWorld, action: str, values: dict[str, int]
) -> None:
    form = instructor.get(f"{decide(world, action)}?member={world.student.pk}").context["form"]
    hidden = {field.html_name: field.value() for field in form.hidden_fields()}
    sent = confirmed(world.student, reason="Lab was down", **values, **hidden)

    instructor.post(decide(world, action), sent)
    after_the_first = (left_of(world.student), LedgerEntry.objects.count())
    again = instructor.post(decide(world, action), sent, follow=True)

    assert (left_of(world.student), LedgerEntry.objects.count()) == after_the_first
    assert "Nothing was changed" in again.content.decode()


def test_two_forms_that_say_the_same_are_two_grants(instructor: Client, world: CourseWorld) -> None:
    before = left_of(world.student)

    for _ in range(2):
        form = instructor.get(f"{decide(world, 'grant')}?member={world.student.pk}").context["form"]
        sent = confirmed(world.student, tokens=700, reason="Lab was down", once=form["once"].value())
        instructor.post(decide(world, "grant"), sent)

    assert left_of(world.student) == before + 1_400


def test_what_will_happen_to_whom_is_said_first(instructor: Client, world: CourseWorld) -> None:
    other = factories.make_student(course=world.course)

    page = instructor.get(f"{decide(world, 'grant')}?member={world.student.pk}&member={other.pk}").content.decode()

    assert "Grant tokens to 2 students" in page
    assert all(one.external_id in page for one in (world.student, other))
    assert number(ALLOWANCE - world.week.used) in page


@pytest.mark.parametrize("odd", ["²", "9" * 5000, "-1", "1 OR 1=1", "\x00", ""])
def test_members_that_cannot_be_are_nobody(instructor: Client, world: CourseWorld, odd: str) -> None:
    answer = instructor.post(decide(world, "grant"), {"confirmed": "yes", "member": odd, "tokens": 5, "reason": "x"})

    assert answer.status_code == 302
    assert not LedgerEntry.objects.filter(kind="grant").exists()


def test_nobody_chosen_is_said(instructor: Client, world: CourseWorld) -> None:
    answer = instructor.post(decide(world, "grant"), {"confirmed": "yes", "tokens": 5, "reason": "x"}, follow=True)

    assert "nothing was changed" in answer.content.decode()


def test_a_decision_is_shown_with_separators_and_zone(instructor: Client, world: CourseWorld) -> None:
    override = factories.make_override(world.student, weekly_tokens=77_777)
    boost = factories.make_boost(course=world.course)

    pages = [instructor.get(page_of_row(row)).content.decode() for row in (override, boost)]

    assert number(77_777) in pages[0]
    assert all(when(row.starts_at) in page for row, page in zip((override, boost), pages, strict=True))


def test_an_override_lasts_until_it_expires_or_is_ended(instructor: Client, world: CourseWorld) -> None:
    until = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")

    instructor.post(
        decide(world, "override"), confirmed(world.student, weekly_tokens=50_000, ends_at=until, reason="Thesis")
    )
    during = left_of(world.student)
    instructor.post(decide(world, "end-override"), confirmed(world.student))

    assert during == 50_000 - world.week.used
    assert left_of(world.student) == ALLOWANCE - world.week.used
    assert world.student.overrides.count() == 1
    assert LedgerEntry.objects.filter(kind="change", usage=world.week).count() == 2


def test_a_boost_that_was_ended_early_says_when(instructor: Client, world: CourseWorld, teacher: Membership) -> None:
    boost = factories.make_boost(course=world.course, ends_at=datetime(2099, 1, 1, tzinfo=UTC))
    decisions.end(boost, by=teacher.user, now=timezone.now())

    page = instructor.get(page_of_row(boost)).content.decode()

    assert "Ended early" in page
    assert "2099" not in page


def test_looking_at_an_address_decides_nothing(instructor: Client, world: CourseWorld, asked: AllowanceRequest) -> None:
    for verb in ("grant", "decline"):
        instructor.get(reverse(f"admin:quotas_allowancerequest_{verb}", args=[asked.pk]))

    asked.refresh_from_db()
    assert asked.state == "open"
