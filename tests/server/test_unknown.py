"""Who does not say who they are is limited by address; who does is not, whatever comes from there."""

import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import override_settings

from apps.accounts.keys import issue
from apps.accounts.sign_in.throttle import COOKIE, remember_browser
from tests import factories
from tests.live import Gateway, models_on
from tests.server.conftest import OWN_SECRETS, UNKNOWN

TOO_MANY = 429
_networks = (f"2001:db8:{number:x}" for number in itertools.count(1))


@pytest.fixture
def network() -> str:
    """A network of IPv6 from which nothing has come yet."""
    return next(_networks)


@pytest.fixture
def key(configured: Gateway) -> Iterator[str]:
    with models_on(configured.data_dir), override_settings(KEY_PEPPER=OWN_SECRETS["GATEWAY_KEY_PEPPER"]):
        yield factories.make_key()


def ask(gateway: Gateway, path: str, *, host: str, **options: Any) -> httpx.Response:
    headers = {"x-forwarded-for": host, "x-forwarded-proto": "https", **options.pop("headers", {})}
    return httpx.request(options.pop("method", "GET"), f"{gateway.base_url}{path}", headers=headers, **options)


def with_key(gateway: Gateway, text: str | None, *, host: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {text}"} if text is not None else {}
    return ask(gateway, "/v1/models", host=host, headers=headers)


def said(response: httpx.Response) -> str:
    """What a refusal says, without what differs between any two."""
    return response.text.replace(response.headers["x-request-id"], "")


WRONG = [None, "none", "sk-1234", "stoa_sk_short", issue(pepper="other").text, "x" * 5_000, "eyJh.eyJh.eyJh"]


@pytest.mark.usefixtures("committed_db")
def test_wrong_keys_are_limited_and_the_right_one_is_not(configured: Gateway, network: str, key: str) -> None:
    first = [with_key(configured, text, host=f"{network}::{number}") for number, text in enumerate(WRONG[:UNKNOWN])]
    later = [with_key(configured, text, host=f"{network}::a{number}") for number, text in enumerate(WRONG)]

    assert {answer.status_code for answer in first} == {401}
    assert {answer.status_code for answer in later} == {429}
    assert len({said(answer) for answer in later}) == 1
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in later)
    assert {answer.headers["x-should-retry"] for answer in later} == {"false"}
    assert with_key(configured, key, host=f"{network}::1").status_code == 200
    assert with_key(configured, "sk-1234", host=f"{next(_networks)}::1").status_code == 401


@pytest.mark.usefixtures("committed_db")
def test_programs_that_fail_to_sign_in_are_limited_and_others_are_not(
    configured: Gateway, network: str, key: str
) -> None:
    def token(body: Any) -> httpx.Response:
        return ask(configured, "/auth/token", host=f"{network}::1", method="POST", json=body)

    for _ in range(UNKNOWN + 3):
        assert token({"api_key": key}).status_code == 200
    first = [token({"api_key": "stoa_sk_none"}) for _ in range(UNKNOWN)]
    wrong: list[Any] = [{"api_key": "none"}, {"username": "ada", "password": "guess"}, {}, ["x"]]
    later = [token(body) for body in wrong]

    assert {answer.status_code for answer in first} == {401}
    assert {answer.status_code for answer in later} == {429}
    assert len({said(answer) for answer in later}) == 1
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in later)
    assert token({"api_key": key}).status_code == 200


@pytest.mark.parametrize("page", ["/admin/login/", "/sign-in/"])
def test_sign_in_that_fails_is_limited(configured: Gateway, network: str, page: str) -> None:
    def post(host: str) -> httpx.Response:
        return ask(configured, page, host=host, method="POST", data={"username": "ada", "password": "guess"})

    first = [post(f"{network}::{number}") for number in range(UNKNOWN)]
    later = post(f"{network}::ffff")

    assert 429 not in {answer.status_code for answer in first}
    assert later.status_code == 429
    assert 1 <= int(later.headers["retry-after"]) <= 60
    assert ask(configured, page, host=f"{network}::1").status_code == 200, "Reading the page is no attempt."
    assert post(f"{next(_networks)}::1").status_code != 429


def test_a_browser_in_which_somebody_signed_in_is_not_limited_with_its_neighbors(
    configured: Gateway, network: str
) -> None:
    with override_settings(SECRET_KEY=OWN_SECRETS["DJANGO_SECRET_KEY"]):
        remembered = HttpResponse()
        remember_browser(HttpRequest(), remembered, "ada")
    good = remembered.cookies[COOKIE].OutputString().partition(";")[0]

    def post(cookie: str) -> int:
        headers, guess = {"cookie": cookie}, {"username": "ada", "password": "guess"}
        path, host = "/admin/login/", f"{network}::1"
        return ask(configured, path, host=host, method="POST", data=guess, headers=headers).status_code

    for _ in range(UNKNOWN):
        post("")

    assert post("") == TOO_MANY
    assert post(f"{good}x") == TOO_MANY
    assert post(f"{COOKIE}=made-up:1:2") == TOO_MANY
    assert post(f"theme=dark; {good}") != TOO_MANY


@pytest.mark.parametrize("path", ["/auth/token", "/admin/login/", "/sign-in/"])
def test_credentials_are_short(configured: Gateway, network: str, path: str) -> None:
    response = ask(configured, path, host=f"{network}::1", method="POST", data={"password": "x" * 70_000})

    assert response.status_code == 413
