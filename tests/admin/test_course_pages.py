"""Course first: a course is chosen once, stands in the address, and the menu and the lists follow it."""

import pytest
from django.test import Client
from django.urls import reverse

from tests import factories
from tests.admin.conftest import sign_in
from tests.admin.world import CourseWorld, make_world, page_of

PAGES = ("today", "students", "rules", "conversations", "allowance", "settings")


def address(page: str, world: CourseWorld) -> str:
    return reverse(f"admin:course_{page}", args=[world.course.slug])


@pytest.mark.parametrize("page", PAGES)
def test_a_course_has_six_pages_that_others_do_not_find(page: str, instructor: Client, world: CourseWorld) -> None:
    foreign = make_world()

    own, others, none = (
        instructor.get(path) for path in (address(page, world), address(page, foreign), "/admin/c/no/")
    )

    assert (own.status_code, others.status_code, none.status_code) == (200, 404, 404)
    assert [item["title"] for item in _menu(own) if item["active"]] == [page.capitalize()]
    assert foreign.course.slug not in others.content.decode()


def test_the_lists_of_a_course_hold_its_rows_alone(world: CourseWorld) -> None:
    other = make_world()
    person = factories.make_user(is_staff=True)
    for one in (world, other):
        factories.make_instructor(course=one.course, user=person)
    both = sign_in(person)

    for page, row in (("rules", "rule"), ("conversations", "thread")):
        for one in (world, other):
            assert list(both.get(address(page, one)).context["cl"].queryset) == [getattr(one, row)]


def test_the_page_of_a_row_belongs_to_its_course(operator: Client, world: CourseWorld) -> None:
    make_world()

    page = operator.get(page_of(world.rule))

    assert page.context["switcher"]["course"] == world.course
    assert [item["title"] for item in _menu(page) if item["active"]] == ["Rules"]


def test_a_form_leads_back_to_the_page_of_the_course(operator: Client, world: CourseWorld) -> None:
    page = page_of(world.rule).replace("change", "delete")

    gone = operator.post(page, {"post": "yes"})

    assert (gone.status_code, gone["Location"]) == (302, address("rules", world))


def _menu(page: object) -> list[dict[str, object]]:
    [group] = page.context["sidebar_navigation"]  # type: ignore[attr-defined]
    return list(group["items"])
