"""A student asks for more, staff decide, and the student sees what became of it."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from apps.quotas import requests
from apps.quotas.models import AllowanceRequest, LedgerEntry
from apps.quotas.requests import MOST_A_WEEK
from tests import factories
from tests.chat.world import World, create_world
from tests.live import Gateway

PATH = "/v1/usage/requests"
ASKED = {"tokens": 300, "reason": "The tests need more."}


def ask(world: World, body: Any = None, *, key: str | None = None, **options: Any) -> httpx.Response:
    content = {"json": ASKED if body is None else body} if "content" not in options else options
    headers = {"authorization": f"Bearer {key or world.key}"}
    return httpx.post(f"{world.gateway.base_url}{PATH}", headers=headers, timeout=30, **content)


def asked(world: World) -> AllowanceRequest:
    return AllowanceRequest.objects.get(membership=world.student)


def test_it_is_filed_and_told(world: World) -> None:
    response = ask(world, {"tokens": 300, "reason": "  The tests need more. "})

    filed = response.json()
    assert response.status_code == 201
    assert (filed["state"], filed["tokens"], filed["reason"]) == ("open", 300, "The tests need more.")
    assert world.get(PATH).json()["data"] == [filed]
    assert world.usage()["requests"] == [filed]
    assert asked(world).pk == filed["id"]


def test_one_may_be_open_at_a_time(world: World) -> None:
    ask(world)

    second = ask(world)

    assert (second.status_code, second.json()["error"]["code"]) == (400, "request_already_open")
    assert asked(world).tokens == 300


def test_what_is_granted_can_be_used_at_once(world: World) -> None:
    tess = factories.make_tess(course=world.course)
    ask(world)
    before = world.usage()

    assert requests.grant(asked(world), by=tess.user, tokens=200, answer="Good luck", now=datetime.now(UTC))

    usage = world.usage()
    (request,) = usage["requests"]
    assert usage["limit"] == before["limit"] + 200
    assert (request["state"], request["granted_tokens"], request["answer"]) == ("granted", 200, "Good luck")
    entry = LedgerEntry.objects.get(usage__account=world.student.pk, usage__kind="student", kind="grant")
    assert (entry.actor, entry.granted_delta) == (tess.user, 200)
    assert "The tests need more." in entry.note


def test_a_declined_request_moves_nothing_and_another_may_follow(world: World) -> None:
    ask(world)
    before = world.usage()

    assert requests.decline(asked(world), by=None, now=datetime.now(UTC), answer="Ask in class")

    usage = world.usage()
    assert (usage["limit"], usage["remaining"]) == (before["limit"], before["remaining"])
    assert [(one["state"], one["answer"]) for one in usage["requests"]] == [("declined", "Ask in class")]
    assert usage["entries"][0]["kind"] == "change"
    assert ask(world).status_code == 201


def test_a_week_has_an_end_of_asking(world: World) -> None:
    for _ in range(MOST_A_WEEK):
        factories.make_request(world.student, state="declined")

    refused = ask(world)

    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "too_many_requests_for_more")


def test_others_see_nothing_of_it(world: World, gateway: Gateway) -> None:
    ask(world)

    with create_world(gateway) as other:
        assert other.get(PATH).json()["data"] == []
        assert other.usage()["requests"] == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_takes_a_key(world: World, method: str) -> None:
    response = httpx.request(
        method, f"{world.gateway.base_url}{PATH}", json=ASKED, headers={"authorization": "Bearer none"}
    )

    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert not AllowanceRequest.objects.filter(membership=world.student).exists()


def test_a_body_without_end_is_refused(world: World) -> None:
    headers = {"authorization": f"Bearer {world.key}"}

    response = httpx.post(f"{world.gateway.base_url}{PATH}", json={**ASKED, "reason": "a" * 70_000}, headers=headers)

    assert (response.status_code, response.json()["error"]["code"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ([], "invalid_json", None),
        ("more", "invalid_json", None),
        ({}, "missing_required_parameter", "tokens"),
        ({"tokens": 5}, "missing_required_parameter", "reason"),
        ({"tokens": 0, "reason": "r"}, "invalid_value", "tokens"),
        ({"tokens": -5, "reason": "r"}, "invalid_value", "tokens"),
        ({"tokens": 10**12 + 1, "reason": "r"}, "invalid_value", "tokens"),
        ({"tokens": 10**400, "reason": "r"}, "invalid_json", None),
        ({"tokens": 5.0, "reason": "r"}, "invalid_value", "tokens"),
        ({"tokens": True, "reason": "r"}, "invalid_value", "tokens"),
        ({"tokens": "5", "reason": "r"}, "invalid_value", "tokens"),
        ({"tokens": 5, "reason": ""}, "invalid_value", "reason"),
        ({"tokens": 5, "reason": "  "}, "invalid_value", "reason"),
        ({"tokens": 5, "reason": "a\x00b"}, "invalid_value", "reason"),
        ({"tokens": 5, "reason": "r" * 1001}, "invalid_value", "reason"),
        ({"tokens": 5, "reason": 7}, "invalid_value", "reason"),
        ({"tokens": 5, "reason": "r", "week": 1}, "unknown_parameter", "week"),
    ],
)
def test_a_wrong_body_is_explained(world: World, body: Any, code: str, param: str | None) -> None:
    response = ask(world, body)

    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, code, param)
    assert not AllowanceRequest.objects.filter(membership=world.student).exists()


def test_what_is_no_json_is_explained(world: World) -> None:
    response = ask(world, content=b"{")

    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_json")
