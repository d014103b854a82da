"""The scopes of keys in the admin, service accounts, and staff keys."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import ApiKey, Membership, Role, StaffKey
from apps.accounts.scopes import Scopes
from tests import factories
from tests.admin.world import CourseWorld, add_page, list_of, page_of

SCOPES = {
    "allowed_models": "small\n large small",
    "allowed_surfaces": ["chat"],
    "allowed_services": "users library users",
    "assignment": "essay-1",
}
SERVICES = frozenset({"users", "library"})
NARROW = Scopes(frozenset({"small", "large"}), frozenset({"chat"}), "essay-1", True, SERVICES)


def test_an_instructor_issues_a_narrowed_key(instructor: Client, world: CourseWorld) -> None:
    instructor.post(add_page(ApiKey), {"membership": world.student.pk, "name": "x", **SCOPES, "reads_only": "on"})

    assert ApiKey.objects.get(name="x").scopes == NARROW


def test_the_list_says_what_a_key_is_for(instructor: Client, world: CourseWorld) -> None:
    ApiKey.issue(membership=world.student, scopes=NARROW)

    page = instructor.get(list_of(ApiKey)).content.decode()

    assert "models: large, small; only chat; services: library, users; assignment essay-1; read only" in page


def test_a_key_is_narrowed_and_widened_later(instructor: Client, world: CourseWorld) -> None:
    key = world.student.api_keys.get()

    instructor.post(page_of(key), {"name": "", **SCOPES})
    narrowed = ApiKey.objects.get(pk=key.pk).scopes
    shown = instructor.get(page_of(key)).context["adminform"].form.initial["allowed_surfaces"]
    instructor.post(page_of(key), {"name": "", "allowed_models": "", "allowed_services": "", "assignment": ""})

    assert narrowed == Scopes(NARROW.models, NARROW.surfaces, "essay-1", services=SERVICES)
    assert shown == ["chat"]
    assert ApiKey.objects.get(pk=key.pk).scopes.is_everything


@pytest.mark.parametrize("wrong", [{"allowed_surfaces": ["admin"]}, {"assignment": "two words"}])
def test_a_scope_that_makes_no_sense_is_refused(wrong: Any, instructor: Client, world: CourseWorld) -> None:
    page = instructor.post(add_page(ApiKey), {"membership": world.student.pk, "name": "x", **wrong})

    assert page.context["adminform"].form.errors.keys() == wrong.keys()


# Service accounts


def test_an_instructor_adds_a_service_account_and_its_key(instructor: Client, world: CourseWorld) -> None:
    values = {"course": world.course.pk, "external_id": "grader", "role": Role.SERVICE, "first_name": "Grader"}

    instructor.post(add_page(Membership), values)
    account = Membership.objects.get(external_id="grader")
    page = instructor.post(add_page(ApiKey), {"membership": account.pk, "name": ""}, follow=True)

    assert page.context["issued"][0].text.startswith("stoa_svc_")
    assert not account.user.has_usable_password()
    assert not account.user.is_staff


def test_a_service_account_has_no_address(instructor: Client, world: CourseWorld) -> None:
    values = {"course": world.course.pk, "external_id": "grader", "role": Role.SERVICE, "email": "ada@example.edu"}

    page = instructor.post(add_page(Membership), values)

    assert "email" in page.context["adminform"].form.errors


@pytest.mark.parametrize(("role", "other"), [(Role.STUDENT, Role.SERVICE), (Role.SERVICE, Role.INSTRUCTOR)])
def test_no_person_becomes_a_program_nor_the_other_way_round(
    role: str, other: str, instructor: Client, world: CourseWorld
) -> None:
    member = factories.make_member(course=world.course, role=role)

    instructor.post(page_of(member), {"external_id": member.external_id, "role": other, "is_active": "on"})

    member.refresh_from_db()
    assert member.role == role


# Staff keys


def test_staff_issue_a_key_of_their_own_which_only_reads(assistant: Client) -> None:
    form = assistant.get(add_page(StaffKey)).context["adminform"].form
    page = assistant.post(add_page(StaffKey), {"name": "report", "reads_only": "on", "user": 1}, follow=True)

    key = StaffKey.objects.get()
    assert form.initial["reads_only"] is True
    assert page.context["issued"][0].text.startswith("stoa_stf_")
    assert (key.user, key.reads_only) == (page.wsgi_request.user, True)


def test_staff_revoke_their_own_keys_and_operators_all(
    assistant: Client, operator: Client, teacher: Membership
) -> None:
    assistant.post(add_page(StaffKey), {"name": "mine"})
    StaffKey.issue(user=teacher.user, name="the teacher's")
    keys = StaffKey.objects.values_list("pk", flat=True)

    assistant.post(list_of(StaffKey), {"action": "revoke", "_selected_action": list(keys)})
    still = set(StaffKey.objects.filter(revoked_at=None).values_list("name", flat=True))
    operator.post(list_of(StaffKey), {"action": "revoke", "_selected_action": list(keys)})

    assert still == {"the teacher's"}
    assert not StaffKey.objects.filter(revoked_at=None).exists()


def test_a_revoked_staff_key_stays_revoked(operator: Client, teacher: Membership) -> None:
    key, _ = StaffKey.issue(user=teacher.user)
    StaffKey.objects.all().revoke(now=datetime.now(UTC))

    operator.post(page_of(key), {"name": "again", "revoked_at": ""})

    assert StaffKey.objects.get().revoked_at is not None
