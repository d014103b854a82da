"""Departments: who administers them, and what an admin of one may do with its courses."""

from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import Course, Department, DepartmentAdmin
from apps.providers.models import Offer
from tests import factories
from tests.admin.conftest import sign_in
from tests.admin.world import CourseWorld, add_page, page_of

COURSE = {
    "title": "Optics",
    "slug": "optics",
    "logging": "full",
    "timezone": "UTC",
    "week_starts": "monday",
    "is_open": "on",
}


@pytest.fixture
def physics(db: None) -> Department:
    return Department.objects.create(slug="physics", title="Physics")


@pytest.fixture
def head(physics: Department) -> Client:
    """Somebody who administers a department that has no course yet."""
    user = factories.make_user(is_staff=True)
    DepartmentAdmin.objects.create(department=physics, user=user)
    return sign_in(user)


def add(client: Client, **values: Any) -> Any:
    none = {f"{prefix}-{name}": 0 for prefix in FORMSETS for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    return client.post(add_page(Course), {**COURSE, **none, **values})


FORMSETS = ("quota_policy", "rules", "rule_settings", "allowed_models")


def test_an_admin_adds_the_first_course_of_a_department(head: Client, physics: Department) -> None:
    page = add(head, department=physics.pk)

    assert Course.objects.get(slug="optics").department == physics, page
    assert head.get(page_of(Course.objects.get(slug="optics"))).status_code == 200


@pytest.mark.parametrize("whose", ["none", "another"])
def test_a_course_is_added_to_the_own_department_only(whose: str, head: Client) -> None:
    chemistry = Department.objects.create(slug="chemistry", title="Chemistry")

    add(head, department="" if whose == "none" else chemistry.pk)

    assert not Course.objects.filter(slug="optics").exists()


def test_a_new_course_allows_no_model_that_is_for_named_courses(head: Client, physics: Department) -> None:
    """Not even one that another course of the department may allow."""
    model = factories.make_model(offered_to="named")
    Offer.objects.create(model=model, course=factories.make_course(department=physics))

    page = add(head, department=physics.pk, models=[model.pk])

    assert page.status_code == 200
    assert model.name not in page.content.decode()
    assert not Course.objects.filter(slug="optics").exists()


def test_only_operators_move_a_course(
    head: Client, instructor: Client, world: CourseWorld, physics: Department
) -> None:
    world.course.department = physics
    world.course.save()

    fields = [
        client.get(page_of(world.course)).context["adminform"].form.fields.keys() & {"department", "slug"}
        for client in (head, instructor, sign_in(factories.make_operator()))
    ]

    assert fields == [set(), set(), {"department", "slug"}]


def test_an_admin_who_left_sees_nothing(head: Client, world: CourseWorld, physics: Department) -> None:
    world.course.department = physics
    world.course.save()
    before = head.get(page_of(world.course)).status_code

    DepartmentAdmin.objects.all().delete()

    assert (before, head.get(page_of(world.course)).status_code) == (200, 404)


def test_a_person_without_the_admin_cannot_administer_a_department(operator: Client, physics: Department) -> None:
    forms = {"admins-TOTAL_FORMS": 1, "admins-INITIAL_FORMS": 0, "admins-0-user": factories.make_user().pk}

    page = operator.post(page_of(physics), {"title": "Physics", "slug": "physics", **forms})

    assert "Staff status" in page.content.decode()
    assert not physics.admins.exists()
