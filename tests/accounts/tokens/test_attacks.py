"""Forged tokens at every door: each is refused, with the answer that everybody gets."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from apps.accounts.models import RevokedToken, TokenFamily, TokenKey
from apps.accounts.scopes import ALL
from apps.accounts.tokens import families, signing
from apps.accounts.tokens.callers import Caller
from tests import factories
from tests.accounts.tokens.forging import Forge
from tests.accounts.tokens.vectors import VECTORS, Vector
from tests.live import Gateway

REVOKED_JTI = "1" * 32


@pytest.fixture(scope="module")
def forge(gateway: Gateway, django_db_blocker: pytest.FixtureRequest) -> Iterator[Forge]:
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        now = datetime.now(UTC)
        ended = TokenKey.make(signs_from=now, now=now)
        signing.replace_at_once(now=now)
        RevokedToken.objects.add(issuer=gateway.base_url, jti=REVOKED_JTI, expires_at=now + timedelta(hours=1))
        made = [start(now) for _ in range(3)]
        TokenFamily.objects.filter(pk=made[2].pk).revoke(now=now)
        yield Forge(gateway.base_url, *made, REVOKED_JTI, TokenKey.objects.signing(now=now)[0], ended)


def start(now: datetime) -> TokenFamily:
    """The family of an operator who is a student as well, so that their tokens open everything."""
    user = factories.make_operator()
    families.start(Caller(user=user, membership=factories.make_student(user=user), scopes=ALL), now=now)
    return TokenFamily.objects.get(user=user)


@pytest.fixture(scope="module")
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.base_url) as client:
        yield client


def asked(http: httpx.Client, text: str) -> dict[str, httpx.Response]:
    """The answers of every door at which a token can be shown."""
    bearer = {"authorization": f"Bearer {text}".encode()}
    return {
        "/v1": http.get("/v1/usage", headers=bearer),
        "/v1 by x-api-key": http.get("/v1/usage", headers={"x-api-key": text.encode()}),
        "/api/staff": http.get("/api/staff/calls", headers=bearer),
        "/auth/refresh": http.post("/auth/refresh", json={"refresh_token": text}),
        "/auth/token": http.post("/auth/token", json={"api_key": text}),
    }


def seen(answers: dict[str, httpx.Response]) -> dict[str, tuple[int, str, str]]:
    return {
        door: (
            answer.status_code,
            answer.headers["www-authenticate"],
            answer.text.replace(answer.headers["x-request-id"], ""),
        )
        for door, answer in answers.items()
    }


@pytest.fixture(scope="module")
def refusals(http: httpx.Client) -> dict[str, tuple[int, str, str]]:
    """What whoever shows something that was never a token is told."""
    return seen(asked(http, "stoa_sk_nothing"))


def test_the_token_that_all_others_are_made_from_is_good(http: httpx.Client, forge: Forge) -> None:
    answers = asked(http, forge.good())

    assert [answers[door].status_code for door in ("/v1", "/v1 by x-api-key", "/api/staff")] == [200, 200, 200]


def test_a_clock_that_is_half_a_minute_off_is_none_of_it(http: httpx.Client, forge: Forge) -> None:
    now = forge.claims["iat"]

    for claims in ({"iat": now + 25, "nbf": now + 25}, {"exp": now - 25}):
        assert asked(http, forge.token(**claims))["/v1"].status_code == 200, claims


def test_there_are_enough_of_them() -> None:
    assert len(VECTORS) >= 120


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS.keys())
def test_it_is_refused_like_anything_else(
    vector: Vector, http: httpx.Client, forge: Forge, refusals: dict[str, tuple[int, str, str]]
) -> None:
    answers = asked(http, vector(forge))

    assert {answer.status_code for answer in answers.values()} == {401}
    assert seen(answers) == refusals


def test_five_megabytes_are_refused_unread(http: httpx.Client) -> None:
    token = "eyJ" + "x" * 5_000_000

    assert http.get("/v1/usage", headers={"authorization": f"Bearer {token}"}).status_code == 431
    assert http.post("/auth/refresh", json={"refresh_token": token}).status_code == 413
