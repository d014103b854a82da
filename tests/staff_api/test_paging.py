"""Pages of the staff API: they lead through all rows, stay where they are, and cost the same however many there are."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.conversations.models import Call
from tests import factories
from tests.admin.world import CourseWorld, make_call, make_hit
from tests.staff_api.asking import CALLS, found, page


def followed(client: Client, direction: str, address: str | None) -> list[list[str]]:
    pages = []
    while address:
        body: Any = page(client, address)
        pages.append([call["id"] for call in body["results"]])
        address = body[direction]
    return pages


@pytest.fixture
def ids(world: CourseWorld) -> list[str]:
    """Of all calls that there are, newest first."""
    made = [make_call(world.student).pk for _ in range(6)]
    return sorted([world.call.pk, *made], reverse=True)


def test_pages_lead_through_all_calls_newest_first(instructor: Client, ids: list[str]) -> None:
    assert followed(instructor, "next", f"{CALLS}?page_size=3") == [ids[:3], ids[3:6], ids[6:]]


def test_pages_lead_back(instructor: Client, ids: list[str]) -> None:
    second = page(instructor, page_size=3)["next"]
    third = page(instructor, second)["next"]

    assert followed(instructor, "previous", third) == [ids[6:], ids[3:6], ids[:3]]


def test_pages_stay_where_they_are_while_calls_are_added(
    instructor: Client, world: CourseWorld, ids: list[str]
) -> None:
    second = page(instructor, page_size=3)["next"]

    make_call(world.student)

    assert [call["id"] for call in page(instructor, second)["results"]] == ids[3:6]


def test_the_next_page_keeps_the_filters(instructor: Client, world: CourseWorld, ids: list[str]) -> None:
    Call.objects.filter(pk__in=ids[::2]).update(model="even")

    assert followed(instructor, "next", f"{CALLS}?model=even&page_size=2") == [ids[::2][:2], ids[::2][2:]]


def test_a_page_is_of_bounded_size(operator: Client, world: CourseWorld) -> None:
    for _ in range(60):
        make_call(world.student)

    assert len(found(operator)) == 50
    assert len(found(operator, page_size=200)) > 60


def queries(client: Client, **query: Any) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        page(client, **query)
    return len(captured)


@pytest.mark.parametrize("query", [{}, {"course": "same"}, {"search": "e"}, {"started_after": "2020-01-01T00:00:00Z"}])
def test_a_page_takes_as_many_queries_for_fifty_calls_as_for_one(
    query: dict[str, str], instructor: Client, world: CourseWorld
) -> None:
    query = {name: world.course.slug if value == "same" else value for name, value in query.items()}
    before = queries(instructor, **query)

    for number in range(50):
        student = factories.make_student(course=world.course)
        factories.make_key(student)
        call = make_call(student, api_key=student.api_keys.get(), prompt=f"solve my homework {number}")
        make_hit(call, world.rule, "homework")

    assert queries(instructor, **query) == before <= 7


def plan(client: Client, **query: Any) -> str:
    """How the database finds the keys of a page."""
    with CaptureQueriesContext(connection) as captured:
        page(client, **query)
    (keys,) = (query["sql"] for query in captured if " ORDER BY " in query["sql"] and " LIMIT " in query["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {keys}")
        return "\n".join(row[3] for row in cursor.fetchall())


@pytest.mark.skipif(connection.vendor != "sqlite", reason="Plans are written differently by each database.")
@pytest.mark.parametrize(
    ("name", "index"),
    [("", "autoindex_conversations_call"), ("course", "calls_of_a_course"), ("member", "calls_of_a_student")],
)
def test_keys_come_from_an_index_in_order(name: str, index: str, operator: Client, world: CourseWorld) -> None:
    values = {"course": world.course.slug, "member": world.student.external_id}
    query = {name: values[name]} if name else {}

    found_by = plan(operator, **query)

    assert index in found_by
    assert "TEMP B-TREE" not in found_by
