"""A row of another course does not exist: in no list, under no address, in no choice, for no action."""

from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from apps.accounts.models import ApiKey, Membership, Role
from apps.common.models import Revision
from apps.rules.models import Rule
from tests import factories
from tests.admin.world import (
    CHANGED_BY_INSTRUCTORS,
    COURSE_MODELS,
    CourseWorld,
    add_page,
    list_of,
    page_of,
)


def listed(client: Client, model: type[Model], **query: str) -> set[Model]:
    return set(client.get(list_of(model), query).context["cl"].result_list)


def stored(row: Model) -> dict[str, Any]:
    """The row as the database has it."""
    return type(row)._default_manager.filter(pk=row.pk).values().get()


def test_autocompletion_of_users_is_for_operators(instructor: Client) -> None:
    query = {"app_label": "accounts", "model_name": "membership", "field_name": "user"}

    assert instructor.get("/admin/autocomplete/", query).status_code == 403


def test_a_rule_cannot_be_added_to_a_foreign_course(instructor: Client, foreign: CourseWorld) -> None:
    values = {"name": "sneaky", "pattern": "x", "message": "no", "stage": "enforce", "action": "block"}

    page = instructor.post(
        add_page(Rule), {**values, "course": foreign.course.pk, "direction": "prompt", "priority": 0, "guidance": ""}
    )

    assert "course" in page.context["adminform"].form.errors
    assert not Rule.objects.filter(name="sneaky").exists()


def test_a_member_cannot_be_added_to_a_foreign_course(instructor: Client, foreign: CourseWorld) -> None:
    values = {"course": foreign.course.pk, "external_id": "sneaky", "role": "instructor"}

    page = instructor.post(add_page(Membership), values)

    assert "course" in page.context["adminform"].form.errors
    assert not Membership.objects.filter(external_id="sneaky").exists()


def test_a_key_cannot_be_issued_to_a_foreign_member(instructor: Client, foreign: CourseWorld) -> None:
    page = instructor.post(add_page(ApiKey), {"membership": foreign.student.pk, "name": "sneaky"})

    assert "membership" in page.context["adminform"].form.errors
    assert not ApiKey.objects.filter(name="sneaky").exists()


def test_a_rule_stays_in_its_course(instructor: Client, world: CourseWorld, teacher: Membership) -> None:
    other = factories.make_course()
    factories.make_instructor(course=other, user=teacher.user)

    page = instructor.get(page_of(world.rule))

    assert "course" not in page.context["adminform"].form.fields


@pytest.mark.parametrize(
    ("model", "action"),
    [(Rule, "switch_off"), (Rule, "delete_selected"), (ApiKey, "revoke"), (Membership, "deactivate")],
)
def test_actions_do_not_reach_a_course_in_which_one_only_assists(
    model: type[Model], action: str, instructor: Client, teacher: Membership, foreign: CourseWorld
) -> None:
    factories.make_assistant(course=foreign.course, user=teacher.user)
    row = foreign.row(model)
    before = stored(row)

    instructor.post(list_of(model), {"action": action, "_selected_action": [row.pk], "post": "yes"})

    assert stored(row) == before


@pytest.mark.parametrize("model", CHANGED_BY_INSTRUCTORS)
def test_membership_that_was_ended_ends_access(
    model: type[Model], instructor: Client, teacher: Membership, world: CourseWorld
) -> None:
    Membership.objects.filter(pk=teacher.pk).update(is_active=False)

    assert instructor.get(list_of(model)).status_code == 403


def test_a_student_of_a_course_who_is_staff_of_another_sees_only_the_other(
    instructor: Client, teacher: Membership, foreign: CourseWorld
) -> None:
    factories.make_student(course=foreign.course, user=teacher.user)

    assert foreign.thread not in listed(instructor, type(foreign.thread))


def test_instructors_cannot_make_anybody_staff(instructor: Client, world: CourseWorld) -> None:
    values = {"course": world.course.pk, "external_id": "new", "role": Role.INSTRUCTOR, "email": "new@example.edu"}

    instructor.post(add_page(Membership), {**values, "is_staff": "on", "is_superuser": "on"})

    user = Membership.objects.get(external_id="new").user
    assert (user.is_staff, user.is_superuser, user.has_usable_password()) == (False, False, False)


def test_a_list_cannot_be_filtered_by_a_secret(instructor: Client, world: CourseWorld) -> None:
    key = world.student.api_keys.get()

    page = instructor.get(list_of(ApiKey), {"digest__startswith": key.digest[:1]})

    assert page.status_code in (302, 400)


def test_a_foreign_title_is_in_no_page(instructor: Client, foreign: CourseWorld) -> None:
    pages = [instructor.get("/admin/"), *(instructor.get(list_of(model)) for model in COURSE_MODELS)]

    assert [page for page in pages if foreign.course.title.encode() in page.content] == []


def test_a_changed_allowance_bumps_its_revision(operator: Client, world: CourseWorld) -> None:
    policy = world.course.quota_policy
    before = Revision.objects.get(topic=policy.topic).number
    values = {"student_weekly_tokens": 5, "default_output_tokens": 10, "least_output_tokens": 1}
    values |= {"late_joiners": "full", "after_exhaustion": "refuse", "fallback_student_weekly_tokens": 0}

    operator.post(reverse("admin:course_allowance_change", args=[world.course.slug, "everyone"]), values)

    policy.refresh_from_db()
    assert policy.student_weekly_tokens == 5
    assert Revision.objects.get(topic=policy.topic).number > before
