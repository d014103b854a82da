"""Limits of requests to a service, as callers meet them."""

import re
from collections.abc import Iterator

import httpx
import pytest

from apps.accounts.models import ApiKey
from tests import factories
from tests.chat.world import wait_until
from tests.live import Gateway
from tests.services.instances import UsersInstance
from tests.services.world import ServiceWorld, make_service_world

FIELD = re.compile(r'"[a-z0-9-]+";[a-z]=\d+;[a-z]=\d+(, "[a-z0-9-]+";[a-z]=\d+;[a-z]=\d+)*')
ROUTE = {"methods": ["POST"], "path": "/users", "requests_per_minute": 2}


@pytest.fixture(scope="module")
def limited(
    django_db_setup: None,
    django_db_blocker: object,
    gateway: Gateway,
    lasting_pair: tuple[UsersInstance, UsersInstance],
) -> Iterator[ServiceWorld]:
    lasting_pair[0].renew()
    fields = {
        "callers": ["student", "anonymous"],
        "requests_per_minute": 5,
        "user_requests_per_minute": 8,
        "address_requests_per_minute": 200,
        "route_limits": [ROUTE],
    }
    with django_db_blocker.unblock(), make_service_world(gateway, lasting_pair[0], **fields) as world:  # type: ignore[attr-defined]
        yield world


def another_key(world: ServiceWorld) -> str:
    return ApiKey.issue(membership=factories.make_member(course=world.course))[1]


def test_a_key_is_refused_with_fields_and_the_time_to_wait(committed_db: None, limited: ServiceWorld) -> None:
    key = another_key(limited)

    answers = [limited.get("/health", key=key) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert [answer.headers["ratelimit"] for answer in answers[:2]] == [
        '"key";r=4;t=60, "user";r=7;t=60',
        '"key";r=3;t=60, "user";r=6;t=60',
    ]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"key";q=5;w=60, "user";q=8;w=60'}
    refused = answers[-1]
    assert refused.headers["ratelimit"] == f'"key";r=0;t={refused.headers["retry-after"]}'
    assert 50 <= int(refused.headers["retry-after"]) <= 60
    assert (refused.json()["code"], refused.headers["content-type"]) == (
        "rate_limit_exceeded",
        "application/problem+json",
    )
    assert all(FIELD.fullmatch(answer.headers["ratelimit"]) for answer in answers)


def test_a_member_with_two_keys_counts_once(committed_db: None, limited: ServiceWorld) -> None:
    member = factories.make_member(course=limited.course)
    keys = [ApiKey.issue(membership=member)[1] for _ in range(2)]

    statuses = [limited.get("/health", key=key).status_code for key in keys * 5]

    assert sorted(statuses) == [200] * 8 + [429] * 2


def test_a_caller_without_a_key_counts_by_address(committed_db: None, limited: ServiceWorld) -> None:
    answer = limited.get("/health", key="")

    assert answer.headers["ratelimit-policy"] == '"address";q=200;w=60'


def test_a_route_is_limited_for_all_together(committed_db: None, limited: ServiceWorld) -> None:
    keys = [another_key(limited) for _ in range(3)]
    for key in keys:
        wait_until(lambda key=key: limited.get("/health", key=key).status_code == 200, what="A new key")  # type: ignore[misc]

    paths = ["/users", "/u%73ers", "/users/more"]
    answers = [limited.request("POST", path, key=key, json={}) for path, key in zip(paths, keys, strict=True)]

    assert [answer.status_code for answer in answers] == [404, 404, 429]  # the instance has nothing at these
    assert answers[-1].json()["detail"].startswith("This part of the service takes 2 requests a minute")


def test_a_refused_request_reaches_no_instance(committed_db: None, limited: ServiceWorld, users: UsersInstance) -> None:
    key = another_key(limited)
    for _ in range(8):
        last: httpx.Response = limited.get("/users", key=key)

    assert last.status_code == 429
    assert len(users.journal) == 5
