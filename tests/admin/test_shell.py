"""What every page of the admin has: filters in the bar, pages of errors with the menu, names for controls."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import reverse

from apps.conversations.models import Thread
from gateway_project import vocabulary
from gateway_project.site import errors, help
from gateway_project.site.navigation import GROUPS, _named
from tests.admin.world import CourseWorld, make_thread

THREADS = "admin:conversations_thread_changelist"
NOTHING_HERE = "This belongs to a course that you do not teach, or does not exist."


def listed(client: Client, **query: str) -> str:
    return client.get(reverse(THREADS), query).content.decode()


def test_a_filter_that_is_on_is_marked_and_can_be_taken_off(instructor: Client, world: CourseWorld) -> None:
    page = listed(instructor, q="title", since="day", course=str(world.course.pk))

    assert page.count("stoa-chip on") == 2
    assert f'<option value="{world.course.pk}" selected>' in page
    assert f'href="?q=title&amp;course={world.course.pk}" aria-label="Remove filter: time"' in page
    assert '<input type="hidden" name="q" value="title">' in page
    assert 'href="?q=title">Clear all' in page
    assert "stoa-chip on" not in listed(instructor)


@pytest.mark.parametrize(
    ("days", "found"),
    [
        ({"from": "2020-01-07"}, True),
        ({"from": "2020-01-08"}, False),
        ({"to": "2020-01-07"}, True),
        ({"to": "2020-01-06"}, False),
        ({"from": "2020-01-01", "to": "2020-01-31"}, True),
        ({"from": "yesterday"}, False),
        ({"to": "9999-12-31"}, False),
    ],
)
def test_a_list_is_narrowed_to_days_by_the_clock_of_the_page(
    instructor: Client, world: CourseWorld, days: dict[str, str], found: bool
) -> None:
    """Tokyo has the seventh already."""
    world.course.timezone = "Asia/Tokyo"
    world.course.save()
    Thread.objects.all().delete()
    thread = make_thread(world.student, title="Slopes", last_at=datetime(2020, 1, 6, 20, tzinfo=UTC))

    page = instructor.get(f"/admin/c/{world.course.slug}/conversations/", days)

    assert (reverse("admin:conversations_thread_change", args=[thread.pk]) in page.content.decode()) is found


def test_there_are_no_drawer_and_no_plus(operator: Client, world: CourseWorld) -> None:
    page = operator.get(reverse("admin:accounts_user_changelist")).content.decode()

    assert "filterOpen" not in page
    assert "Add user</a>" in page
    assert "Save and add another" not in operator.get(reverse("admin:accounts_user_add")).content.decode()


def test_long_lists_are_read_page_by_page(instructor: Client, world: CourseWorld) -> None:
    Thread.objects.bulk_create(
        Thread(course=world.course, membership=world.student, title="A title", started_at=when, last_at=when)
        for when in [datetime(2020, 1, 6, tzinfo=UTC)] * 60
    )

    page, everything = listed(instructor), listed(instructor, all="")

    assert "?p=3" in page
    assert "Show all" not in page
    assert max(text.count('class="data-row') for text in (page, everything)) == 25


def test_icons_are_hidden_from_readers(operator: Client) -> None:
    page = operator.get(reverse("admin:index")).content.decode()

    icons = re.findall(r"<[a-z]+[^>]*material-symbols-outlined[^>]*>", page)
    assert icons and [icon for icon in icons if 'aria-hidden="true"' not in icon] == []
    assert '<main id="main-content"' in page and 'href="#main-content"' in page


def test_a_list_is_called_as_in_the_menu() -> None:
    pages = {model._meta.label: page for model, page in admin.site._registry.items()}
    menu = {title: _named(row) for _, rows in GROUPS for title, _, row in rows}

    titles = {title: pages[label].heading for title, (label, view) in menu.items() if view == "changelist"}

    assert titles == {title: title for title in titles}


@pytest.mark.parametrize("address", ["/admin/nothing/", "/admin/c/nothing/", "/admin/rules/rule/999999/change/"])
def test_what_is_not_there_has_the_menu_and_a_way_on(instructor: Client, address: str) -> None:
    page = instructor.get(address)

    text = page.content.decode()
    assert page.status_code == 404
    assert NOTHING_HERE in text and 'id="nav-sidebar"' in text
    assert page.headers["x-request-id"] in text
    assert "unsafe-eval" in page.headers["content-security-policy"]


def test_rows_of_others_are_answered_like_rows_that_do_not_exist(
    instructor: Client, world: CourseWorld, foreign: CourseWorld
) -> None:
    own, theirs = (instructor.get(f"/admin/c/{name}/") for name in ("nothing", foreign.course.slug))

    texts = [page.content.decode().replace(page.headers["x-request-id"], "") for page in (own, theirs)]
    tokens = [re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", text) for text in texts]
    assert tokens[0] == tokens[1]


def test_who_is_not_staff_is_told_without_the_menu(student: Client) -> None:
    page = student.get("/admin/login/")

    assert page.status_code == 403
    assert "Your account may not do this." in page.content.decode()
    assert "nav-sidebar" not in page.content.decode()


def test_programs_get_no_page(client: Client) -> None:
    assert client.get("/api/staff/nothing").headers["content-type"].startswith("application/json")
    assert "menu" not in client.get("/v1/nothing").content.decode()


def test_a_failure_is_told_without_the_database(rf: RequestFactory) -> None:
    """There is no database in this test."""
    request: Any = rf.get("/admin/")
    request.request_id = "the-id"

    page = errors.failed(request)

    assert page.status_code == 500
    assert "Something went wrong" in page.content.decode() and "the-id" in page.content.decode()


def test_each_page_leads_to_its_help(instructor: Client, world: CourseWorld) -> None:
    page = instructor.get(f"/admin/c/{world.course.slug}/rules/").content.decode()
    assert 'href="/admin/help/rules/" aria-label="Help with this page"' in page

    assert "<h1>Rules" in instructor.get("/admin/help/rules/").content.decode()
    assert instructor.get("/admin/help/nothing/").status_code == 404


@pytest.mark.parametrize("name", help.PAGES)
def test_every_page_of_help_is_there_without_dead_links(name: str) -> None:
    text = help.rendered(help.DOCS / help.PAGES[name][1])

    assert text.startswith("<h1>")
    assert re.findall(r'href="[^"]*[.]md', text) == []


def test_the_words_of_pages_are_those_of_the_glossary() -> None:
    assert list(vocabulary.mistakes()) == []
