"""Whatever is wrong with a key, and wherever it is presented, the refusal is the same to the byte."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts import keys
from apps.accounts.keys import digest, issue
from apps.accounts.models import ApiKey, Membership, StaffKey
from apps.accounts.principals import find
from tests import factories
from tests.chat.world import World, make_world, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub

YESTERDAY = datetime(2026, 1, 1, tzinfo=UTC)
PEPPER = "of another installation"


def revoked(member: Membership) -> str:
    key = factories.make_key(member)
    ApiKey.objects.filter(membership=member, last_four=key[-4:]).revoke(now=datetime.now(UTC))
    return key


def of_an_inactive_member(member: Membership) -> str:
    return factories.make_key(factories.make_student(course=member.course, is_active=False))


def of_an_inactive_person(member: Membership) -> str:
    return factories.make_key(factories.make_student(course=member.course, user=factories.make_user(is_active=False)))


def of_staff(member: Membership) -> str:
    """A key of another kind, which opens /api/staff."""
    return StaffKey.issue(user=factories.make_operator())[1]


KEYS: dict[str, Callable[[Membership], str]] = {
    "malformed": lambda member: "sk-1234",
    "mistyped": lambda member: f"{factories.make_key(member)[:-1]}!",
    "unknown": lambda member: issue(pepper=PEPPER).text,
    "unknown, of a service": lambda member: issue(pepper=PEPPER, prefix=keys.SERVICE).text,
    "revoked": revoked,
    "expired": lambda member: factories.make_key(member, expires_at=YESTERDAY + timedelta(days=1)),
    "of an inactive member": of_an_inactive_member,
    "of an inactive person": of_an_inactive_person,
    "of staff": of_staff,
    "a token of nobody": lambda member: "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.AAAA",
}
ENDPOINTS = [
    ("GET", "/v1/models"),
    ("GET", "/v1/models/none"),
    ("GET", "/v1/usage"),
    ("GET", "/v1/usage/requests"),
    ("POST", "/v1/usage/requests"),
    ("GET", "/v1/rules/appeals"),
    ("POST", "/v1/rules/appeals"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/none"),
]


@pytest.fixture(scope="module")
def shared(django_db_setup: None, django_db_blocker: Any, gateway: Gateway) -> Iterator[World]:
    with django_db_blocker.unblock(), ProviderStub() as stub, make_world(gateway, stub) as world:
        yield world


def said(response: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All of a response but its id and its instant."""
    id = response.headers["x-request-id"]
    headers = [pair for pair in response.headers.multi_items() if pair[0] not in ("date", "x-request-id")]
    return response.status_code, response.content.replace(id.encode(), b""), headers


@pytest.mark.usefixtures("committed_db")
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_it_is_refused_like_no_key_at_all(shared: World, key: Callable[[Membership], str]) -> None:
    text = key(shared.student)
    with httpx.Client(base_url=shared.gateway.base_url) as client:
        expected = said(client.get("/v1/models"))
        assert expected[0] == 401
        for method, path in ENDPOINTS:
            content = {"json": shared.body()} if method == "POST" else {}
            for headers in ({"authorization": f"Bearer {text}"}, {"x-api-key": text}):
                assert said(client.request(method, path, headers=headers, **content)) == expected, (method, path)


@pytest.mark.usefixtures("committed_db")
def test_a_closed_course_says_so_to_those_who_have_its_key_and_to_nobody_else(shared: World) -> None:
    """Its key is good: it shows what was used. A wrong one learns nothing of the course."""
    course = factories.make_course(is_open=False)
    member = factories.make_student(course=course)
    key, old = factories.make_key(member), revoked(member)

    closed = wait_until(lambda: shared.post(key=key))

    assert (closed.status_code, closed.json()["error"]["code"]) == (403, "course_closed")
    assert said(shared.post(key=old)) == said(shared.post(key="none"))


DATABASE_KEYS = [name for name in KEYS if name not in ("malformed", "mistyped", "a token of nobody")]


@pytest.mark.parametrize("name", DATABASE_KEYS)
def test_whatever_is_wrong_takes_the_same_query(db: None, name: str) -> None:
    """So the time does not tell either."""
    text = KEYS[name](factories.make_student())

    with CaptureQueriesContext(connection) as queries:
        find(digest(text, pepper=settings.KEY_PEPPER))

    assert len(queries) == 1
