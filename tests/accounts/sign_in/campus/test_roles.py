"""What groups of a real provider give and take at sign-in, beside what people give by hand."""

import pytest
from django.db.models import ProtectedError
from django.test import Client

from apps.accounts.models import AuditEntry, Course, Department, GivenRole, Membership, Role, User
from tests import factories
from tests.accounts.sign_in.campus.conftest import Campus, refusal, told, user_of


def test_a_group_makes_an_instructor_of_somebody_unknown(campus: Campus, course: Course) -> None:
    campus.instructors("cs101-staff", course)
    campus.says("ada", groups=["cs101-staff", "everybody"], given_name="Ada", student_id="0042")
    client = Client()

    campus.sign_in(client)

    ada = user_of(client)
    assert ada is not None and (ada.first_name, ada.email, ada.is_staff) == ("Ada", "ada@example.edu", True)
    assert not ada.has_usable_password()
    assert [(m.course, m.role, m.external_id) for m in ada.memberships.all()] == [(course, "instructor", "0042")]
    assert list(Course.objects.for_staff(ada)) == [course]


def test_what_a_group_no_longer_gives_is_gone_at_the_next_sign_in(campus: Campus, course: Course) -> None:
    campus.instructors("cs101-staff", course)
    campus.says("ada", groups=["cs101-staff"])
    campus.sign_in(Client())
    campus.says("ada", groups=["everybody"])
    client = Client()

    sentence = refusal(campus.sign_in(client))

    ada = User.objects.get(email="ada@example.edu")
    assert f"You are no longer instructor of {course}" in sentence
    assert user_of(client) is None
    assert (ada.is_staff, ada.is_active, list(Course.objects.for_staff(ada))) == (False, True, [])
    assert not ada.memberships.get().is_active


def test_a_session_from_before_sees_nothing_any_more(campus: Campus, course: Course) -> None:
    campus.instructors("cs101-staff", course)
    campus.says("ada", groups=["cs101-staff"])
    before = Client()
    campus.sign_in(before)
    assert before.get(f"/admin/c/{course.slug}/").status_code == 200
    campus.says("ada", groups=[])
    campus.sign_in(Client())

    assert before.get(f"/admin/c/{course.slug}/").status_code != 200


def test_who_comes_back_to_the_group_has_the_course_again(campus: Campus, course: Course) -> None:
    campus.instructors("cs101-staff", course)
    for groups in (["cs101-staff"], [], ["cs101-staff"]):
        campus.says("ada", groups=groups)
        client = Client()
        campus.sign_in(client)

    ada = user_of(client)
    assert ada is not None and ada.memberships.get().is_active


def test_what_was_given_by_hand_stays(campus: Campus, ada: User, course: Course) -> None:
    by_hand = factories.make_instructor(user=ada)
    campus.instructors("cs101-staff", course)
    campus.says("ada", groups=["cs101-staff"])
    campus.sign_in(Client())
    campus.says("ada", groups=[])
    client = Client()

    campus.sign_in(client)

    assert user_of(client) == ada
    assert list(Course.objects.for_staff(ada)) == [by_hand.course]


def test_a_grant_that_is_deleted_gives_nothing_any_more(campus: Campus, course: Course) -> None:
    grant = campus.instructors("cs101-staff", course)
    campus.says("ada", groups=["cs101-staff"])
    campus.sign_in(Client())
    grant.delete()

    refusal(campus.sign_in(Client()))

    assert not Membership.objects.get(course=course).is_active


def test_operators_and_admins_of_departments_come_and_go(campus: Campus) -> None:
    physics = Department.objects.create(slug="physics", title="Physics")
    campus.grant("it", is_operator=True)
    campus.grant("office", department=physics)
    campus.says("ada", groups=["it", "office"])
    campus.sign_in(Client())
    ada = User.objects.get(email="ada@example.edu")
    assert (ada.is_superuser, ada.administers.get().department) == (True, physics)

    campus.says("ada", groups=["office"])
    answer = campus.sign_in(Client())
    ada.refresh_from_db()
    assert (ada.is_superuser, ada.is_staff) == (False, True)
    assert told(answer) == ["You are no longer an operator: none of your groups gives it."]

    campus.says("ada", groups=[])
    assert "no longer administer Physics" in refusal(campus.sign_in(Client()))
    ada.refresh_from_db()
    assert (ada.is_staff, ada.administers.count()) == (False, 0)


def test_an_operator_by_hand_stays_one(campus: Campus) -> None:
    ada = factories.make_operator(email="ada@example.edu")
    campus.grant("it", is_operator=True)
    for groups in (["it"], []):
        campus.says("ada", groups=groups)
        campus.sign_in(Client())

    ada.refresh_from_db()
    assert (ada.is_superuser, ada.is_staff) == (True, True)


def test_a_student_by_group_has_a_membership_and_no_session(campus: Campus, course: Course) -> None:
    campus.grant("cs101", course=course, role="student")
    campus.says("ada", groups=["cs101"])
    client = Client()

    assert "known here as a student" in refusal(campus.sign_in(client))
    assert user_of(client) is None
    assert Membership.objects.get(course=course).role == Role.STUDENT


def test_an_external_id_that_is_somebody_elses_is_not_shared(campus: Campus, ada: User, course: Course) -> None:
    factories.make_student(course=course, external_id="0042")
    campus.instructors("cs101-staff", course)
    campus.says("ada", groups=["cs101-staff"], student_id="0042")

    answer = campus.sign_in(Client())

    assert "has a member with your ID who is another person" in told(answer)[0]
    assert not ada.memberships.exists()


@pytest.mark.parametrize("groups", [{"admin": True}, ["cs101-staff", 7]], ids=str)
def test_groups_of_the_wrong_type_give_nothing_and_take_what_was_given(
    campus: Campus, ada: User, course: Course, groups: object
) -> None:
    campus.instructors("cs101-staff", course)
    campus.says("ada", groups=["cs101-staff"])
    campus.sign_in(Client())
    campus.says("ada", groups=groups)

    answer = campus.sign_in(Client())

    assert not Membership.objects.get(course=course).is_active
    assert any(f"no longer instructor of {course}" in sentence for sentence in told(answer))
    assert "So groups give you nothing this time." in told(answer)[0]


def test_groups_may_be_in_the_user_info_alone(campus: Campus, course: Course) -> None:
    campus.provider.quirks(claims_in=["userinfo"])
    campus.instructors("cs101-staff", course)
    campus.says("ada", groups=["cs101-staff"])
    client = Client()

    campus.sign_in(client)

    assert user_of(client) is not None


def test_changes_of_roles_are_in_the_audit_log(campus: Campus, course: Course) -> None:
    campus.instructors("cs101-staff", course)
    campus.says("ada", groups=["cs101-staff"])
    campus.sign_in(Client())
    campus.says("ada", groups=[])
    campus.sign_in(Client())

    ada = User.objects.get(email="ada@example.edu")
    entries = AuditEntry.objects.filter(action__startswith="role.").order_by("id")
    assert [(e.action, e.actor_id, e.course, e.note) for e in entries] == [
        ("role.given", ada.pk, course.pk, "groups of campus"),
        ("role.taken", ada.pk, course.pk, "groups of campus"),
    ]
    assert entries[1].after == {"role": "student", "active": False}


def test_an_issuer_whose_groups_gave_something_cannot_be_deleted_unseen(campus: Campus, course: Course) -> None:
    campus.instructors("cs101-staff", course)
    campus.says("ada", groups=["cs101-staff"])
    campus.sign_in(Client())

    with pytest.raises(ProtectedError):
        campus.issuer.delete()
    assert GivenRole.objects.filter(kind="course").count() == 1
