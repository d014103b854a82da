"""Whatever goes wrong under /api/staff is told in the one body that errors have."""

import logging
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import path
from rest_framework.views import APIView

from apps.common.outages import database_outage
from gateway_project import urls
from tests.admin.world import CourseWorld
from tests.staff_api.asking import CALLS, refusal


@pytest.mark.parametrize(
    "address", ["/api/staff", "/api/staff/", "/api/staff/nothing", "/api/staff/calls/", "/api/staff/a/b"]
)
def test_an_address_with_nothing_at_it(address: str, operator: Client) -> None:
    answer = operator.get(address)

    assert (answer.status_code, refusal(answer)["code"]) == (404, "not_found")


def test_it_is_json_for_browsers_too(operator: Client, world: CourseWorld) -> None:
    answer = operator.get(CALLS, headers={"accept": "text/html,application/xhtml+xml"})

    assert answer.headers["content-type"] == "application/json"


def test_a_host_that_is_not_ours(operator: Client) -> None:
    answer = operator.get(CALLS, headers={"host": "elsewhere.example"})

    assert (answer.status_code, refusal(answer)["code"]) == (400, "bad_request")


class Failing(APIView):
    error: Exception

    def get(self, request: Any) -> None:
        raise type(self).error


def broken(request: Any) -> None:
    raise ValueError("secret words")


class failing_urls:
    """The project's addresses, and two that fail."""

    urlpatterns = (
        path("api/staff/failing", Failing.as_view()),
        path("api/staff/broken", broken),
        *urls.urlpatterns,
    )
    handler500 = urls.handler500


@pytest.fixture
def failing(operator: Client, settings: Any) -> Client:
    settings.ROOT_URLCONF = failing_urls
    operator.raise_request_exception = False
    return operator


@pytest.mark.parametrize("address", ["/api/staff/failing", "/api/staff/broken"])
def test_a_mistake_of_ours(address: str, failing: Client, caplog: pytest.LogCaptureFixture) -> None:
    Failing.error = ValueError("secret words")

    with caplog.at_level(logging.ERROR):
        answer = failing.get(address)

    assert (answer.status_code, refusal(answer)["code"]) == (500, "internal_error")
    assert b"secret words" not in answer.content
    assert "secret words" in caplog.text


def test_a_database_that_is_away(failing: Client, caplog: pytest.LogCaptureFixture) -> None:
    database_outage.ended()
    Failing.error = OperationalError("connection refused by 10.1.2.3")

    answer = failing.get("/api/staff/failing")

    database_outage.ended()
    assert "The database is away: connection refused by 10.1.2.3" in caplog.text
    assert (answer.status_code, refusal(answer)["code"]) == (503, "database_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert b"10.1.2.3" not in answer.content
