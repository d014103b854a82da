"""Requests to services in the staff API: what is told of them, to whom, and how they are narrowed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from apps.common.ids import first_id
from apps.services.models import ServiceRecord
from tests import factories
from tests.admin.world import CourseWorld
from tests.staff_api.asking import page, refusal

ADDRESS = "/api/staff/service-requests"
NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


def found(client: Client, **query: Any) -> set[str]:
    return {one["id"] for one in page(client, ADDRESS, **query)["results"]}


@pytest.fixture
def record(world: CourseWorld) -> ServiceRecord:
    values = {"id": first_id(NOON), "started_at": NOON, "method": "POST", "path": "/reports/1", "service": "library"}
    timing = {"instance": "http://10.0.0.5", "first_byte_ms": 7, "duration_ms": 9, "bytes_in": 10, "bytes_out": 20}
    ended = {"status": 502, "outcome": "failed", "error_code": "service_broken", "attempts": 3}
    return factories.make_record(world.student, **values, **timing, **ended)


def test_a_request_tells_who_what_and_how_it_ended(
    instructor: Client, world: CourseWorld, record: ServiceRecord
) -> None:
    assert page(instructor, f"{ADDRESS}/{record.pk}") == {
        "id": record.pk,
        "service": "library",
        "course": world.course.slug,
        "member": world.student.external_id,
        "method": "POST",
        "path": "/reports/1",
        "status": 502,
        "outcome": "failed",
        "error_code": "service_broken",
        "instance": "http://10.0.0.5",
        "attempts": 3,
        "started_at": "2026-09-01T12:00:00Z",
        "first_byte_ms": 7,
        "duration_ms": 9,
        "bytes_in": 10,
        "bytes_out": 20,
    }


def test_only_operators_see_requests_without_a_key(
    instructor: Client, operator: Client, foreign: CourseWorld, record: ServiceRecord
) -> None:
    nobody = factories.make_record().pk
    others = foreign.student.service_records.get().pk

    assert {nobody, others, record.pk} <= found(operator)
    assert not {nobody, others} & found(instructor)
    assert instructor.get(f"{ADDRESS}/{others}").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        {"service": "library"},
        {"method": "POST"},
        {"status": 502},
        {"outcome": "failed"},
        {"error_code": "service_broken"},
        {"started_before": "2026-09-01T12:00:01Z", "started_after": "2026-09-01T12:00:00Z"},
        {"search": "/reports"},
        {"search": first_id(NOON)[:12]},
    ],
    ids=lambda query: "-".join(query),
)
def test_each_filter_finds_it_alone(instructor: Client, record: ServiceRecord, query: dict[str, Any]) -> None:
    assert found(instructor, **query) == {record.pk}


def test_course_and_member_are_those_that_one_sees(
    instructor: Client, world: CourseWorld, foreign: CourseWorld, record: ServiceRecord
) -> None:
    assert record.pk in found(instructor, course=world.course.slug, member=world.student.external_id)
    assert found(instructor, course=foreign.course.slug) == set()
    assert found(instructor, member=foreign.student.external_id) == set()


def test_values_that_make_no_sense_are_refused(instructor: Client, world: CourseWorld) -> None:
    for query in ({"outcome": "maybe"}, {"started_after": "0001-01-01T00:00:00Z"}, {"search": "x " * 30}, {"no": "1"}):
        assert refusal(instructor.get(ADDRESS, query))["type"] == "invalid_request_error"


def test_fifty_rows_take_as_many_queries_as_one(
    instructor: Client, world: CourseWorld, django_assert_max_num_queries: Any
) -> None:
    for n in range(50):
        factories.make_record(world.student, started_at=NOON + timedelta(seconds=n))

    with django_assert_max_num_queries(10):
        page(instructor, ADDRESS)
