"""The six pages of a course ask the database as often for a large course as for a small one."""

from datetime import UTC, datetime, timedelta

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.conversations.figures import keeping
from tests import factories
from tests.admin.allowances import a_request
from tests.admin.world import CourseWorld, make_appeal, make_call, make_hit, make_thread

PAGES = ("today", "students", "rules", "conversations", "allowance", "settings")
MOST = 25


def test_more_rows_take_no_more_queries(instructor: Client, world: CourseWorld) -> None:
    instructor.get(reverse("admin:course_today", args=[world.course.slug]))  # the session remembers the course
    keeping.keep(now=datetime.now(UTC) + timedelta(hours=1))  # as a worker does
    fill(world, 3)
    few = queries(instructor, world)

    fill(world, 15)

    many = queries(instructor, world)
    assert {page: (few[page], count) for page, count in many.items() if count > few[page]} == {}
    assert max(many.values()) <= MOST


def queries(client: Client, world: CourseWorld) -> dict[str, int]:
    return {page: _queries(client, reverse(f"admin:course_{page}", args=[world.course.slug])) for page in PAGES}


def _queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return len(asked)


def fill(world: CourseWorld, count: int) -> None:
    """Students, each with a row of everything, and rules."""
    for _ in range(count):
        student = factories.make_student(course=world.course)
        factories.make_key(student)
        factories.make_week(student, used=5)
        factories.make_override(student)
        factories.make_boost(course=world.course)
        a_request(student)
        rule = factories.make_rule(course=world.course)
        call = make_call(student, thread=make_thread(student), prompt="Solve my homework", answer="Try it.")
        make_hit(call, rule, "homework")
        make_appeal(call, rule)
