"""Access tokens instead of keys, as a program meets them."""

import concurrent.futures
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import pytest

from apps.accounts.models import ApiKey
from apps.accounts.scopes import ALL
from apps.accounts.tokens import families
from apps.accounts.tokens.callers import Caller
from apps.conversations.models import Call
from tests.chat.world import World, wait_until


def post(world: World, path: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{world.gateway.base_url}/auth/{path}", json=body)


@pytest.fixture
def tokens(world: World) -> Any:
    answer = post(world, "token", api_key=world.key)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


def usage(world: World, token: str) -> int:
    return world.get("/v1/usage", key=token).status_code


def test_a_token_asks_like_the_key(world: World, tokens: Any) -> None:
    answer = world.openai(key=tokens["access_token"]).chat.completions.create(**world.body())

    assert answer.choices[0].message.content


def test_signing_out_is_in_force_within_two_seconds(world: World, tokens: Any) -> None:
    assert usage(world, tokens["access_token"]) == 200

    assert post(world, "logout", refresh_token=tokens["refresh_token"]).status_code == 204

    wait_until(lambda: usage(world, tokens["access_token"]) == 401, seconds=2)
    assert world.get("/v1/usage").status_code == 200, "the key is another matter"


def test_a_token_dies_with_its_key(world: World, tokens: Any) -> None:
    assert usage(world, tokens["access_token"]) == 200

    ApiKey.objects.get(membership=world.student).delete()

    wait_until(lambda: usage(world, tokens["access_token"]) == 401, seconds=2)


def test_a_service_verifies_tokens_by_the_key_set(world: World, tokens: Any) -> None:
    answer = httpx.get(f"{world.gateway.base_url}/.well-known/jwks.json")
    keys = {key["kid"]: jwt.PyJWK(key) for key in answer.json()["keys"]}
    kid = jwt.get_unverified_header(tokens["access_token"])["kid"]

    claims = jwt.decode(
        tokens["access_token"], keys[kid], audience="stoa", issuer=world.gateway.base_url, algorithms=["ES256"]
    )

    assert (claims["course"], claims["membership"]) == (world.course.slug, world.student.pk)
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert "d" not in answer.json()["keys"][0]


def test_of_many_refreshes_at_once_one_succeeds(world: World, tokens: Any) -> None:
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: post(world, "refresh", refresh_token=tokens["refresh_token"]), range(20)))

    assert sorted(answer.status_code for answer in answers) == [200, *[401] * 19]
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    assert post(world, "refresh", refresh_token=winner["refresh_token"]).status_code == 401, "the family is revoked"
    wait_until(lambda: usage(world, winner["access_token"]) == 401, seconds=2)


@pytest.mark.parametrize("count", [2, 3])
def test_one_credential_a_request(world: World, tokens: Any, count: int) -> None:
    headers = [("authorization", f"Bearer {tokens['access_token']}"), ("x-api-key", world.key), ("api-key", "x")]

    with httpx.Client() as http:
        answers = [
            http.get(f"{world.gateway.base_url}/v1/usage", headers=some) for some in (headers[:count], headers[:1] * 2)
        ]

    assert [answer.status_code for answer in answers] == [401, 401]
    twice = [("authorization", f"Bearer {tokens['access_token']}"), ("x-api-key", tokens["access_token"])]
    assert httpx.get(f"{world.gateway.base_url}/v1/usage", headers=twice).status_code == 200


def test_a_token_of_a_person_asks_without_any_key(world: World, settings: Any) -> None:
    settings.TOKEN_ISSUER = world.gateway.base_url
    person = Caller(user=world.student.user, membership=world.student, scopes=ALL)
    access = families.start(person, now=datetime.now(UTC)).access

    answer = world.openai(key=access).chat.completions.create(**world.body())

    assert answer.choices[0].message.content
    assert Call.objects.get(membership=world.student).api_key is None
