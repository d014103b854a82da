"""What a request to a service leaves behind, through HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from apps.services.models import ServiceCount, ServiceRecord
from apps.services.outcomes import RequestOutcome
from tests.chat.world import wait_until
from tests.services.instances import UsersInstance
from tests.services.world import ServiceWorld


def recorded(world: ServiceWorld, **about: Any) -> ServiceRecord:
    rows = ServiceRecord.objects.filter(service=world.service.name, **about).exclude(path="/health")
    return wait_until(lambda: rows.first(), what="The record")


def test_a_request_is_recorded_without_query_and_body(service_world: ServiceWorld, users: UsersInstance) -> None:
    answer = service_world.request("POST", "/?secret=1", json={"name": "Ada"})

    record = recorded(service_world)
    assert record.pk == answer.headers["x-request-id"]
    assert (record.method, record.path, record.status, record.outcome) == ("POST", "/", 201, "answered")
    assert (record.membership, record.course) == (service_world.student, service_world.course)
    assert (record.instance, record.attempts) == (users.url, 1)
    assert (record.bytes_in, record.bytes_out) == (14, len(answer.content))
    assert record.first_byte_ms is not None and record.first_byte_ms <= record.duration_ms
    assert datetime.now(UTC) - record.started_at < timedelta(minutes=1)


def test_it_is_counted(service_world: ServiceWorld) -> None:
    for _ in range(3):
        service_world.get("/")
    service_world.get("/999999999")

    def counted() -> dict[str, int]:
        rows = ServiceCount.objects.filter(service=service_world.service.pk).order_by("pk")
        found: dict[str, int] = {}
        for row in rows:
            found[row.outcome] = found.get(row.outcome, 0) + row.requests
        return found

    wait_until(lambda: counted().get("declined") == 1 and counted().get("answered", 0) >= 3)


def test_an_answer_that_breaks_off_is_recorded_as_that(service_world: ServiceWorld, users: UsersInstance) -> None:
    users.will("break", bytes=2_000)
    with pytest.raises(httpx.RemoteProtocolError):
        service_world.request("POST", content=b"{}")

    record = recorded(service_world)
    assert (record.outcome, record.status, record.error_code) == (RequestOutcome.BROKEN, 200, "service_broken")
    assert record.bytes_out == 1_000


def test_a_caller_who_leaves_is_recorded_as_that(service_world: ServiceWorld, users: UsersInstance) -> None:
    users.will("hang")
    with pytest.raises(httpx.ReadTimeout):
        service_world.get("/", timeout=0.5)

    assert recorded(service_world).outcome == RequestOutcome.LEFT


def test_one_who_leaves_within_an_answer_too(service_world: ServiceWorld, users: UsersInstance) -> None:
    users.will("trickle", bytes=10_000, piece=10, seconds=0.1)
    headers = {"authorization": f"Bearer {service_world.key}"}
    with service_world.http.stream("POST", service_world.url(), headers=headers, content=b"{}") as answer:
        next(answer.iter_raw())

    record = recorded(service_world)
    assert record.outcome == RequestOutcome.LEFT
    assert 0 < record.bytes_out < 10_000


def test_a_failure_has_the_code_that_the_caller_saw(service_world: ServiceWorld, users: UsersInstance) -> None:
    users.always("drop")

    answer = service_world.request("POST", json={"name": "Ada"})

    record = recorded(service_world)
    assert record.outcome == RequestOutcome.FAILED
    assert (record.status, record.error_code) == (answer.status_code, answer.json()["code"])
