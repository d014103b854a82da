"""Services in the staff API."""

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests import factories
from tests.staff_api.asking import page, refusal

SERVICES = "/api/staff/services"


def test_operators_read_what_a_service_is_without_values_that_may_be_secret(operator: Client) -> None:
    service = factories.make_service(
        "http://127.0.0.1:9300", name="users", set_request_headers={"Authorization": "Bearer secret"}
    )

    told = operator.get(f"{SERVICES}/{service.pk}")

    assert b"Bearer secret" not in told.content
    body = told.json()
    assert {name: body[name] for name in ("id", "name", "prefix", "enabled", "number")} == {
        "id": service.pk,
        "name": "users",
        "prefix": "users",
        "enabled": True,
        "number": 2,
    }
    assert body["settings"]["set_request_headers"] == {"Authorization": None}
    assert body["settings"]["instances"] == [
        {"url": "http://127.0.0.1:9300", "weight": 1, "is_draining": False, "force": ""}
    ]
    assert page(operator, SERVICES, name="users", enabled="true")["results"] == [body]
    assert page(operator, SERVICES, enabled="false")["results"] == []


def test_nobody_else_finds_any(instructor: Client) -> None:
    service = factories.make_service()

    assert page(instructor, SERVICES)["results"] == []
    assert refusal(instructor.get(f"{SERVICES}/{service.pk}"))["code"] == "not_found"


def test_a_list_of_many_takes_as_many_queries_as_one(operator: Client) -> None:
    for number in range(3):
        factories.make_service(f"http://127.0.0.1:{9300 + number}")
    few = _queries(operator)
    for number in range(10):
        factories.make_service(f"http://127.0.0.1:{9400 + number}")

    assert _queries(operator) == few


def _queries(client: Client) -> int:
    with CaptureQueriesContext(connection) as queries:
        client.get(SERVICES)
    return len(queries)
