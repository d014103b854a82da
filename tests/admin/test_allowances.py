"""What staff see of allowances, and what they decide about them."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Membership
from apps.common.display import number
from apps.quotas import booking, decisions, standing
from apps.quotas.audit import audit
from apps.quotas.models import AllowanceRequest, Boost, LedgerEntry, Override, QuotaPolicy, WeeklyUsage
from tests import factories
from tests.admin.world import CourseWorld, add_page, list_of
from tests.admin.world import page_of as page_of_row

ALLOWANCE = 10_000


@pytest.fixture(autouse=True)
def allowance(world: CourseWorld) -> None:
    """Everybody has the same, with nothing decided yet."""
    QuotaPolicy.objects.filter(course=world.course).update(student_weekly_tokens=ALLOWANCE)
    world.course.boosts.all().delete()
    Override.objects.filter(membership__course=world.course).delete()
    LedgerEntry.objects.filter(kind__in=("grant", "change")).delete()


@pytest.fixture
def asked(world: CourseWorld) -> AllowanceRequest:
    world.student.allowance_requests.all().delete()
    return a_request(world.student, tokens=3_000, reason="<b>Long</b> project")


def a_request(member: Membership, **overrides: Any) -> AllowanceRequest:
    now = timezone.now()
    week = booking.week_of(member.course, now=now)
    values = {"tokens": 1, "reason": "x", "created_at": now, "week_starts_at": week.starts_at}
    return AllowanceRequest.objects.create(membership=member, **{**values, **overrides})


def students_of(world: CourseWorld) -> str:
    return reverse("admin:quotas_students", args=[world.course.pk])


def page_of(member: Membership) -> str:
    return reverse("admin:quotas_student", args=[member.pk])


def decide(world: CourseWorld, action: str) -> str:
    return reverse("admin:quotas_decide", args=[world.course.pk, action])


def confirmed(*members: Membership, **values: Any) -> dict[str, Any]:
    return {"confirmed": "yes", "member": [member.pk for member in members], **values}


def left_of(member: Membership) -> int:
    [own] = standing.of_members([member], now=timezone.now())
    return own.left or 0


def rows_of(answer: Any) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


# Who may


def addresses(world: CourseWorld, asked: AllowanceRequest) -> list[str]:
    return [
        students_of(world),
        reverse("admin:quotas_students_export", args=[world.course.pk]),
        reverse("admin:quotas_boosts", args=[world.course.pk]),
        page_of(world.student),
        reverse("admin:quotas_student_export", args=[world.student.pk]),
        reverse("admin:quotas_allowancerequest_change", args=[asked.pk]),
    ]


def test_staff_of_the_course_may_look(
    instructor: Client, assistant: Client, operator: Client, world: CourseWorld, asked: AllowanceRequest
) -> None:
    for client in (instructor, assistant, operator):
        assert [client.get(address).status_code for address in addresses(world, asked)] == [200] * 6


def test_what_is_not_yours_does_not_exist(student: Client, foreign: CourseWorld, instructor: Client) -> None:
    asked = foreign.student.allowance_requests.first() or a_request(foreign.student)

    for client in (student, instructor, Client()):
        assert all(client.get(address).status_code in (302, 404) for address in addresses(foreign, asked))
    for address in (decide(foreign, "grant"), reverse("admin:quotas_boosts", args=[foreign.course.pk])):
        assert instructor.post(address, confirmed(foreign.student, tokens=5, reason="x")).status_code == 404
    assert not LedgerEntry.objects.filter(kind="grant").exists()


def test_assistants_look_and_do_not_decide(assistant: Client, world: CourseWorld, asked: AllowanceRequest) -> None:
    granted = assistant.post(decide(world, "grant"), confirmed(world.student, tokens=5, reason="x"))
    one_click = assistant.post(reverse("admin:quotas_allowancerequest_grant", args=[asked.pk]))
    boosted = assistant.post(reverse("admin:quotas_boosts", args=[world.course.pk]), {"factor": "2"})

    assert [granted.status_code, one_click.status_code, boosted.status_code] == [404, 404, 404]
    assert "Grant tokens" not in assistant.get(page_of(world.student)).content.decode()


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
    assert [one.state for one in page if one.member in (poor, rich)] == ["out", "unused"]


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

    answer = instructor.get(page_of(world.student))

    newest = answer.context["page"].object_list[0]
    assert newest.used_so_far == answer.context["week"].used == world.week.used - 200
    assert "Corrected by staff" in answer.content.decode()
    assert audit().drift == 0


@pytest.mark.parametrize("page", ["of the student", "of the week"])
def test_every_sum_of_a_week_is_in_its_lines(instructor: Client, world: CourseWorld, page: str) -> None:
    booking.grant(world.student, tokens=700, by=None, reason="x", now=timezone.now())
    address = page_of(world.student) if page == "of the student" else page_of_row(world.week)

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
    Override(membership=world.student, weekly_tokens=77_777, starts_at=now, reason="Thesis").give(
        by=teacher.user, now=now
    )

    page = instructor.get(page_of(world.student)).content.decode()

    assert "77\N{NARROW NO-BREAK SPACE}777 instead of the course's" in page
    assert "Thesis" in page


def test_weekly_usage_tells_the_limit_that_calls_obey(instructor: Client, world: CourseWorld) -> None:
    factories.make_override(world.student, weekly_tokens=30_000)
    factories.make_boost(course=world.course, factor=2)
    booking.grant(world.student, tokens=500, by=None, reason="x", now=timezone.now())

    pages = [instructor.get(list_of(WeeklyUsage)), instructor.get(page_of_row(world.week))]

    assert left_of(world.student) == 60_500 - world.week.used
    assert all("of 60\N{NARROW NO-BREAK SPACE}500<" in page.content.decode() for page in pages)


def test_a_week_that_is_over_claims_no_limit(instructor: Client, world: CourseWorld) -> None:
    """What the limit was then is kept nowhere."""
    WeeklyUsage.objects.filter(pk=world.week.pk).update(
        starts_at=world.week.starts_at - timedelta(days=7), ends_at=world.week.starts_at
    )

    page = instructor.get(f"{list_of(WeeklyUsage)}?week=past").content.decode()

    assert "1\N{NARROW NO-BREAK SPACE}200" in page
    assert f"of {number(ALLOWANCE)}" not in page
    assert "no limit" not in page


@pytest.mark.parametrize("address", ["/admin/", "/admin/accounts/course/"])
def test_a_course_is_measured_by_its_limit_with_boost_and_grants(
    address: str, instructor: Client, world: CourseWorld
) -> None:
    QuotaPolicy.objects.filter(course=world.course).update(weekly_tokens=100_000)
    factories.make_boost(course=world.course, factor="1.5", multiplies_course=True)
    factories.make_boost(course=world.course, factor=3)
    booking.grant(world.course, tokens=700, by=None, reason="x", now=timezone.now())

    page = instructor.get(address).content.decode()

    assert f"of {number(150_700)}<" in page


# Deciding


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


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_a_year_that_no_page_could_show_is_not_saved(instructor: Client, world: CourseWorld, year: str) -> None:
    sent = {"membership": world.student.pk, "starts_at_0": f"{year}-12-31", "starts_at_1": "23:59", "reason": "x"}

    answer = instructor.post(add_page(Override), {**sent, "weekly_tokens": 5})

    assert "choose a year from 2000 to 2100" in answer.content.decode()
    assert not world.student.overrides.exists()


def test_a_boost_that_is_sent_twice_is_one(instructor: Client, world: CourseWorld) -> None:
    boosts = reverse("admin:quotas_boosts", args=[world.course.pk])
    sent = {"factor": "2", "starts_at": "2030-01-01T12:00", "ends_at": "2030-01-03T12:00", "reason": "Deadline"}

    answers = [instructor.post(boosts, sent, follow=True) for _ in range(2)]

    assert world.course.boosts.count() == 1
    assert "Nothing was changed" in answers[1].content.decode()


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
    assert all(f"{row.starts_at:%Y-%m-%d %H:%M:%S}" in page for row, page in zip((override, boost), pages, strict=True))
    assert all("From (UTC)" in instructor.get(add_page(model)).content.decode() for model in (Override, Boost))


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


def test_a_boost_is_in_the_courses_time_zone_and_can_be_ended(instructor: Client, world: CourseWorld) -> None:
    world.course.timezone = "Asia/Kathmandu"
    world.course.save()
    boosts = reverse("admin:quotas_boosts", args=[world.course.pk])

    instructor.post(
        boosts,
        {"factor": "1.5", "starts_at": "2030-01-01T12:00", "ends_at": "2030-01-03T12:00", "reason": "Deadline"},
    )
    boost = Boost.objects.get(course=world.course)
    instructor.post(reverse("admin:quotas_end_boost", args=[boost.pk]))

    assert boost.starts_at == datetime(2030, 1, 1, 6, 15, tzinfo=UTC)
    assert not boost.multiplies_course
    boost.refresh_from_db()
    assert boost.ended_at is not None


def test_looking_at_an_address_decides_nothing(instructor: Client, world: CourseWorld, asked: AllowanceRequest) -> None:
    for verb in ("grant", "decline"):
        instructor.get(reverse(f"admin:quotas_allowancerequest_{verb}", args=[asked.pk]))

    asked.refresh_from_db()
    assert asked.state == "open"


# Requests


def test_one_click_grants_what_was_asked_for(instructor: Client, world: CourseWorld, asked: AllowanceRequest) -> None:
    before = left_of(world.student)

    for _ in range(2):
        instructor.post(reverse("admin:quotas_allowancerequest_grant", args=[asked.pk]))

    asked.refresh_from_db()
    assert (asked.state, asked.granted_tokens) == ("granted", 3_000)
    assert left_of(world.student) == before + 3_000


def test_another_amount_is_granted_with_an_answer(
    instructor: Client, asked: AllowanceRequest, teacher: Membership
) -> None:
    instructor.post(
        reverse("admin:quotas_allowancerequest_grant", args=[asked.pk]), {"tokens": "500", "answer": "For now"}
    )

    asked.refresh_from_db()
    assert (asked.granted_tokens, asked.answer, asked.decided_by) == (500, "For now", teacher.user)


def test_a_declined_request_moves_nothing(instructor: Client, world: CourseWorld, asked: AllowanceRequest) -> None:
    before = left_of(world.student)

    instructor.post(reverse("admin:quotas_allowancerequest_decline", args=[asked.pk]))

    asked.refresh_from_db()
    assert asked.state == "declined"
    assert left_of(world.student) == before


QUEUE = "admin:quotas_allowancerequest_changelist"


def test_the_queue_tells_what_is_left_beside_what_is_asked_for(
    instructor: Client, world: CourseWorld, asked: AllowanceRequest
) -> None:
    for address in (reverse(QUEUE), page_of_row(asked)):
        page = instructor.get(address).content.decode()

        assert f"{number(3_000)} tokens" in page
        assert f"{number(ALLOWANCE - world.week.used)} of {number(ALLOWANCE)}" in page


def test_the_overview_says_how_many_requests_wait(
    instructor: Client, world: CourseWorld, foreign: CourseWorld, asked: AllowanceRequest
) -> None:
    a_request(factories.make_student(course=world.course))

    assert "2 requests for more</a> tokens wait for" in instructor.get("/admin/").content.decode()

    AllowanceRequest.objects.filter(membership__course=world.course).update(state="declined")

    assert "for more</a> tokens" not in instructor.get("/admin/").content.decode()


def test_the_buttons_of_a_row_say_what_they_do(
    instructor: Client, assistant: Client, world: CourseWorld, asked: AllowanceRequest
) -> None:
    page, read = (client.get(reverse(QUEUE)).content.decode() for client in (instructor, assistant))

    assert f'title="Grant {number(3_000)} tokens for {world.student.user}, this week"' in page
    assert 'name="grant"' not in read
    assert page_of_row(asked) in read


def test_many_requests_take_no_more_queries_than_one(
    instructor: Client, world: CourseWorld, asked: AllowanceRequest, django_assert_max_num_queries: Any
) -> None:
    for _ in range(40):
        a_request(factories.make_student(course=world.course))

    with django_assert_max_num_queries(17):
        instructor.get(reverse(QUEUE))


@pytest.mark.parametrize(
    "values",
    [
        {"tokens": "0"},
        {"tokens": "-5"},
        {"tokens": "9" * 40},
        {"tokens": "²"},
        {"answer": "x" * 1_001},
        {"answer": "\x00"},
    ],
)
def test_a_wrong_answer_to_a_request_says_so_and_decides_nothing(
    instructor: Client, asked: AllowanceRequest, values: dict[str, str]
) -> None:
    answer = instructor.post(reverse("admin:quotas_allowancerequest_grant", args=[asked.pk]), values, follow=True)

    asked.refresh_from_db()
    assert asked.state == "open"
    assert {"tokens": "Tokens to grant:", "answer": "Answer:"}[next(iter(values))] in answer.content.decode()


@pytest.mark.parametrize("odd", ["²", "9" * 30, "9" * 5_000, "x"])
def test_a_row_that_cannot_be_is_decided_by_nobody(instructor: Client, asked: AllowanceRequest, odd: str) -> None:
    answer = instructor.post(reverse(QUEUE), {"grant": odd})

    asked.refresh_from_db()
    assert answer.status_code in (200, 302)
    assert asked.state == "open"


def test_open_requests_come_first(instructor: Client, world: CourseWorld, asked: AllowanceRequest) -> None:
    for state in ("declined", "granted"):
        a_request(world.student, state=state)

    page = instructor.get(reverse("admin:quotas_allowancerequest_changelist"))

    assert [row.state for row in page.context["cl"].result_list] == ["open", "granted", "declined"]


# Exports


def test_students_are_exported_with_what_is_left(instructor: Client, world: CourseWorld) -> None:
    rows = rows_of(instructor.get(reverse("admin:quotas_students_export", args=[world.course.pk])))

    row = next(row for row in rows if row["external_id"] == world.student.external_id)
    assert (row["used"], row["left"]) == (str(world.week.used), str(ALLOWANCE - world.week.used))


def test_text_that_a_spreadsheet_would_run_is_quoted_and_numbers_stay_numbers(
    instructor: Client, world: CourseWorld, teacher: Membership
) -> None:
    now = timezone.now()
    decisions.correct([world.student], tokens=-5, reason='=HYPERLINK("http://x")', by=teacher.user, now=now)

    rows = rows_of(instructor.get(reverse("admin:quotas_student_export", args=[world.student.pk])))

    assert rows[-1]["reason"].startswith("'=HYPERLINK")
    assert rows[-1]["used"] == "-5"
    assert int(rows[-1]["used_after"]) == world.week.used - 5
