"""Boosts, overrides, grants and requests as staff decide them: each once, each in the ledger with who and why."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from apps.accounts.models import Course, Membership, User
from apps.quotas import decisions, requests
from apps.quotas.ledger import booking
from apps.quotas.ledger.audit import audit
from apps.quotas.models import AllowanceRequest, Boost, LedgerEntry, Override, RoleAllowance, WeeklyUsage
from tests import factories

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def entries(**conditions: Any) -> list[tuple[str, int, str, User | None]]:
    rows = LedgerEntry.objects.filter(**conditions).order_by("id")
    return [(row.kind, row.granted_delta, row.note, row.actor) for row in rows]


def boost(course: Course, **values: Any) -> Boost:
    return Boost(
        course=course, **{"factor": 2, "starts_at": NOW, "ends_at": NOW + HOUR, "reason": "Deadline", **values}
    )


def override(student: Membership, **values: Any) -> Override:
    return Override(membership=student, **{"weekly_tokens": 5, "starts_at": NOW, "reason": "Thesis", **values})


# Decisions


def test_a_boost_is_in_the_course_s_week_with_who_and_why(course: Course, tess: Membership) -> None:
    decisions.give(boost(course, multiplies_course=True), by=tess.user, now=NOW)

    told = "Boost ×2 of students and course from 2026-11-25 12:00 UTC until 2026-11-25 13:00 UTC: Deadline"
    assert entries(usage__kind="course", usage__account=course.pk) == [("change", 0, told, tess.user)]
    assert Boost.objects.get().author == tess.user


def test_an_override_is_in_the_student_s_week_with_who_and_why(ada: Membership, tess: Membership) -> None:
    decisions.give(override(ada), by=tess.user, now=NOW)
    decisions.give(override(ada, weekly_tokens=None, ends_at=NOW + HOUR), by=tess.user, now=NOW)

    told = [note for _, _, note, _ in entries(usage__kind="student", usage__account=ada.pk)]
    assert told == [
        "Override: 5 tokens a week from 2026-11-25 12:00 UTC: Thesis",
        "Override: no limit from 2026-11-25 12:00 UTC until 2026-11-25 13:00 UTC: Thesis",
    ]


def test_a_decision_ends_once(ada: Membership, tess: Membership) -> None:
    made = override(ada)
    decisions.give(made, by=None, now=NOW)

    ended = [decisions.end(made, by=tess.user, now=NOW + delay * HOUR) for delay in (1, 2)]

    assert ended == [True, False]
    assert Override.objects.get().ended_at == NOW + HOUR
    assert [note for _, _, note, _ in entries()][1:] == ["Ended: Override: 5 tokens a week from 2026-11-25 12:00 UTC"]


def test_a_decision_that_is_over_cannot_be_ended(course: Course) -> None:
    made = boost(course)
    decisions.give(made, by=None, now=NOW)

    assert not decisions.end(made, by=None, now=NOW + HOUR)
    assert Boost.objects.get().ended_at is None


def test_many_are_decided_at_once_or_not_at_all(course: Course, ada: Membership, ben: Membership) -> None:
    wrong = override(ben, ends_at=NOW - HOUR)

    with pytest.raises(IntegrityError), transaction.atomic():
        decisions.record(new=[boost(course), override(ada), wrong], by=None, now=NOW)

    assert not (Boost.objects.exists() or Override.objects.exists() or entries(kind="change"))
    assert decisions.record(new=[boost(course), override(ada), override(ben)], by=None, now=NOW) == 3
    assert len(entries(kind="change")) == 3


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"factor": "0.99"}, "factor"),
        ({"factor": "100.01"}, "factor"),
        ({"factor": "1.001"}, "factor"),
        ({"ends_at": NOW}, "ends_at"),
        ({"ends_at": None}, "ends_at"),
        ({"reason": ""}, "reason"),
    ],
)
def test_a_boost_is_sane(course: Course, values: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as raised:
        boost(course, **values).full_clean(exclude=["created_at"])

    assert set(raised.value.message_dict) == {field}


def test_when_a_decision_counts(course: Course) -> None:
    made = boost(course)

    told = [(made.is_active(now=now), made.is_over(now=now)) for now in (NOW - HOUR, NOW, NOW + HOUR)]

    assert told == [(False, False), (True, False), (False, True)]


def test_queries_find_what_counts(course: Course) -> None:
    made = [boost(course, starts_at=NOW + n * HOUR, ends_at=NOW + (n + 1) * HOUR) for n in range(3)]
    decisions.record(new=made, by=None, now=NOW)

    assert set(Boost.objects.active(now=NOW + HOUR)) == {made[1]}
    assert set(Boost.objects.unfinished(now=NOW + HOUR)) == {made[1], made[2]}


def test_students_have_no_allowance_of_a_role(course: Course) -> None:
    with pytest.raises(ValidationError):
        RoleAllowance(course=course, role="student", weekly_tokens=5).full_clean()

    allowance = factories.make_role_allowance(course=course)
    assert str(allowance) == f"Assistants in {course.slug}"


def test_names_for_people(course: Course, ada: Membership) -> None:
    assert str(boost(course, factor="2.50")) == f"×2.5 in {course.slug}"
    assert str(override(ada)) == f"Override of {ada}"
    assert str(factories.make_request(ada)) == f"500 tokens for {ada}"


# Grants


def test_a_grant_is_once_for_a_student_or_a_course(course: Course, ada: Membership, tess: Membership) -> None:
    booking.grant(ada, tokens=50, by=tess.user, reason="Sick", now=NOW)
    booking.grant(course, tokens=70, by=tess.user, reason="Exam", now=NOW)
    taken = booking.grant(ada, tokens=-80, by=tess.user, reason="Too much", now=NOW)

    assert entries(usage__account=ada.pk, usage__kind="student") == [
        ("grant", 50, "Sick", tess.user),
        ("grant", -50, "Too much", tess.user),
    ]
    assert entries(usage__kind="course") == [("grant", 70, "Exam", tess.user)]
    assert (taken.amount, taken.balance.granted) == (-50, 0)
    assert audit().drifts == ()


def test_it_is_in_the_course_s_own_week(tess: Membership) -> None:
    student = factories.make_student(course=factories.make_course(timezone="Pacific/Auckland", week_starts="thursday"))

    booking.grant(student, tokens=50, by=None, reason="Sick", now=NOW)

    week = WeeklyUsage.objects.get(account=student.pk, kind="student")
    assert week.starts_at == datetime(2026, 11, 25, 11, tzinfo=UTC)  # midnight of Thursday there


# Requests


def test_a_request_is_granted_once(ada: Membership, tess: Membership) -> None:
    request = factories.make_request(ada)
    stale = AllowanceRequest.objects.get(pk=request.pk)

    done = [
        requests.grant(request, by=tess.user, now=NOW),
        requests.grant(request, by=tess.user, now=NOW),
        requests.decline(stale, by=tess.user, now=NOW, answer="No"),
        requests.grant(stale, by=None, tokens=7, now=NOW),
    ]

    assert done == [True, False, False, False]
    assert (stale.state, stale.granted_tokens, stale.decided_by) == ("granted", 500, tess.user)
    assert entries() == [("grant", 500, "Asked for: The tests need more.", tess.user)]


def test_more_or_less_than_was_asked_for_may_be_granted(ada: Membership) -> None:
    request = factories.make_request(ada)

    requests.grant(request, by=None, tokens=30, answer="A little", now=NOW)

    request.refresh_from_db()
    assert (request.granted_tokens, request.answer, request.decided_at) == (30, "A little", NOW)
    assert entries()[0][1] == 30


def test_a_request_is_declined_once(ada: Membership, tess: Membership) -> None:
    request = factories.make_request(ada)

    done = [
        requests.decline(request, by=tess.user, now=NOW, answer="No"),
        requests.decline(request, by=None, now=NOW, answer="No"),
        requests.grant(request, by=None, now=NOW),
    ]

    assert done == [True, False, False]
    assert request.answer == "No"
    told = "Declined 500 tokens. Asked for: The tests need more."
    assert entries() == [("change", 0, told, tess.user)]


def test_a_student_has_one_open_request_a_week(ada: Membership) -> None:
    factories.make_request(ada, state="declined")
    factories.make_request(ada)

    with pytest.raises(IntegrityError), transaction.atomic():
        factories.make_request(ada)


def test_of_two_who_decide_at_once_one_does(committed_db: None) -> None:
    student = factories.make_student()
    request = factories.make_request(student)
    together, done = threading.Barrier(2), []

    def decide(what: str) -> None:
        mine = AllowanceRequest.objects.get(pk=request.pk)
        together.wait()
        done.append(
            (
                what,
                getattr(requests, what)(mine, by=None, now=datetime.now(UTC), answer="No"),
            )
        )
        connection.close()

    threads = [threading.Thread(target=decide, args=(what,)) for what in ("grant", "decline")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (winner,) = [what for what, has_decided in done if has_decided]
    request.refresh_from_db()
    assert request.state == {"grant": "granted", "decline": "declined"}[winner]
    assert len(entries(usage__account=student.pk, usage__kind="student")) == 1
