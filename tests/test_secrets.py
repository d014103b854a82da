"""Production refuses secrets that could be guessed, or that open two doors at once."""

import secrets
from typing import Any

import pytest
from pydantic import ValidationError

from gateway_project.env import Env
from tests.live import SECRETS


def production(**changed: str) -> Env:
    good = {name.lower(): secrets.token_hex(16) for name in SECRETS}
    given: dict[str, Any] = {**good, **{name.lower(): value for name, value in changed.items()}}
    return Env(gateway_env="production", allowed_hosts="gateway.example.edu", **given)


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "weak",
    [
        "",
        "short",
        "0" * 50,
        "ab" * 20,
        "changeme" * 6,
        "0123456789abcdef" * 2,
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabcdefgh",
        "django-insecure-Jq7Xw2Lr9Tb4Vn6Mz1Kc8",
    ],
)
def test_a_secret_that_can_be_guessed_refuses_the_start(name: str, weak: str) -> None:
    with pytest.raises(ValidationError, match=name) as refused:
        production(**{name: weak})

    assert "openssl rand" in str(refused.value)


def test_one_short_key_among_several_refuses_the_start() -> None:
    with pytest.raises(ValidationError, match=r"GATEWAY_SECRET_KEYS.*each key needs at least 32"):
        production(GATEWAY_SECRET_KEYS=f"{secrets.token_hex(16)},x")


@pytest.mark.parametrize("name", SECRETS[1:])
def test_a_secret_in_two_places_refuses_the_start(name: str) -> None:
    same = secrets.token_urlsafe(48)

    with pytest.raises(ValidationError, match=f"{name} equals DJANGO_SECRET_KEY"):
        production(**{"DJANGO_SECRET_KEY": same, name: same})


def test_the_token_for_metrics_is_no_copy_and_not_short() -> None:
    pepper = secrets.token_urlsafe(48)

    with pytest.raises(ValidationError, match="METRICS_TOKEN equals GATEWAY_KEY_PEPPER"):
        production(GATEWAY_KEY_PEPPER=pepper, METRICS_TOKEN=pepper)
    with pytest.raises(ValidationError, match="METRICS_TOKEN needs at least 16"):
        production(METRICS_TOKEN="x")


def test_good_secrets_are_accepted_however_they_were_made() -> None:
    for make in (lambda: secrets.token_hex(32), lambda: secrets.token_urlsafe(48)):
        keys = {name: make() for name in SECRETS}
        assert production(**keys, METRICS_TOKEN=secrets.token_hex(8)).is_production
    assert production(GATEWAY_SECRET_KEYS=f"{secrets.token_hex(16)}, {secrets.token_hex(16)}").is_production


def test_what_is_refused_is_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway_project import env

    monkeypatch.setenv("GATEWAY_ENV", "production")
    monkeypatch.setenv("ALLOWED_HOSTS", "gateway.example.edu")
    for name in SECRETS:
        monkeypatch.setenv(name, "Secret1Secret2Secret3Secret4" * 2)
    env.load_env.cache_clear()

    with pytest.raises(SystemExit) as refused:
        env.load_env()

    assert "Secret1" not in str(refused.value)
    assert all(name in str(refused.value) for name in SECRETS)
