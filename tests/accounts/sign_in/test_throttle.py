"""Guessing passwords is slow, and slow for the one who guesses."""

from threading import BoundedSemaphore
from typing import Any

import pytest
from django.contrib.auth import hashers
from django.test import Client, RequestFactory

from apps.accounts.models import User
from apps.accounts.sign_in import hashing, passwords, throttle
from apps.accounts.sign_in.rates import RATES
from apps.common.errors import RateLimited, Unavailable
from tests import factories
from tests.accounts.sign_in.steps import is_signed_in, try_password

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"
TOO_MANY = "too many failed attempts"
WRONG = "The username or the password is wrong."


@pytest.fixture
def ada(db: None) -> User:
    return factories.make_user(is_staff=True)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords for which a hash was computed."""
    seen: list[str] = []
    original = hashers.MD5PasswordHasher.encode

    def encode(self: Any, password: str, *args: Any, **options: Any) -> str:
        seen.append(password)
        return original(self, password, *args, **options)

    monkeypatch.setattr(hashers.MD5PasswordHasher, "encode", encode)
    return seen


def fail(account: str, times: int, *, address: str = HERE) -> Any:
    return [try_password(Client(), account, f"guess {n}", address=address) for n in range(times)][-1]


def test_after_five_failures_even_the_right_password_is_refused_before_a_hash(ada: User, hashed: list[str]) -> None:
    fail(ada.username, 5)
    hashed.clear()
    client = Client()

    answer = try_password(client, ada.username, address=HERE)

    assert TOO_MANY in answer.content.decode()
    assert not is_signed_in(client)
    assert hashed == []


def test_who_fails_for_ada_does_not_lock_her_out_at_her_address(ada: User) -> None:
    fail(ada.username, 10, address=ELSEWHERE)
    client = Client()

    try_password(client, ada.username, address=HERE)

    assert is_signed_in(client)


@pytest.mark.parametrize("spelling", ["{} ", " {}", "{upper}"])
def test_other_spellings_of_a_name_are_the_same_account(spelling: str, ada: User) -> None:
    fail(ada.username, 5)

    answer = try_password(Client(), spelling.format(ada.username, upper=ada.username.upper()))

    assert TOO_MANY in answer.content.decode()


def test_one_address_cannot_try_many_accounts(db: None, hashed: list[str]) -> None:
    for number in range(30):
        fail(f"nobody-{number}", 1)
    hashed.clear()

    assert TOO_MANY in fail("nobody-31", 1).content.decode()
    assert hashed == []


def test_addresses_of_one_ipv6_network_count_as_one(ada: User) -> None:
    for host in range(5):
        fail(ada.username, 1, address=f"2001:db8::{host + 1}")

    assert TOO_MANY in fail(ada.username, 1, address="2001:db8::ffff:1").content.decode()


def test_successes_are_not_counted(ada: User) -> None:
    for _ in range(8):
        client = Client()
        try_password(client, ada.username)

        assert is_signed_in(client)


def test_guessing_from_many_addresses_ends_but_not_in_a_browser_that_ada_used_before(ada: User, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "sign_in_account": "10/h/key"}
    hers = Client()
    try_password(hers, ada.username)
    hers.post("/sign-in/out/")
    for number in range(10):
        fail(ada.username, 1, address=f"203.0.113.{number}")

    unknown = Client()
    assert TOO_MANY in try_password(unknown, ada.username, address="203.0.113.200").content.decode()
    try_password(hers, ada.username, address="203.0.113.201")
    assert is_signed_in(hers)


def test_neighbors_at_one_address_do_not_lock_out_a_browser_that_ada_used_before(ada: User) -> None:
    hers = Client()
    try_password(hers, ada.username, address=HERE)
    hers.post("/sign-in/out/")
    fail(ada.username, 6, address=HERE)
    fail("nobody", 30, address=HERE)

    try_password(hers, ada.username, address=HERE)

    assert is_signed_in(hers)


def test_a_browser_that_ada_used_before_has_limits_too(ada: User) -> None:
    hers = Client()
    try_password(hers, ada.username)
    hers.post("/sign-in/out/")
    for number in range(5):
        try_password(hers, ada.username, "wrong", address=f"203.0.113.{number}")

    assert TOO_MANY in try_password(hers, ada.username, address=ELSEWHERE).content.decode()


def test_the_cookie_of_a_known_browser_is_good_for_its_account_only(ada: User) -> None:
    client = Client()
    mallory = factories.make_user(is_staff=True)
    try_password(client, mallory.username)
    request = RequestFactory().post("/sign-in/")
    request.COOKIES[throttle.COOKIE] = client.cookies[throttle.COOKIE].value

    assert throttle._known(request, throttle.spelled(mallory.username))
    assert not throttle._known(request, throttle.spelled(ada.username))


def test_whoever_cannot_sign_in_reads_the_same(ada: User, hashed: list[str]) -> None:
    inactive = factories.make_user(is_staff=True, is_active=False)
    student = factories.make_student().user
    student.set_password(factories.PASSWORD)
    student.save()
    nameless = factories.make_user(is_staff=True, password=None)
    hashed.clear()
    tries = {
        "unknown": ("nobody", factories.PASSWORD),
        "wrong": (ada.username, "wrong"),
        "inactive": (inactive.username, factories.PASSWORD),
        "not staff": (student.username, factories.PASSWORD),
        "no password": (nameless.username, factories.PASSWORD),
    }

    told = {}
    for name, (username, password) in tries.items():
        client = Client()
        answer = try_password(client, username, password)
        page = answer.content.decode().replace(username, "…")
        told[name] = (answer.status_code, WRONG in page, is_signed_in(client), len(hashed), *client.cookies)
        hashed.clear()

    assert set(told.values()) == {(200, True, False, 1, "csrftoken")}, told


def test_the_limits_are_in_the_database_that_all_processes_share(settings: Any) -> None:
    assert settings.CACHES["default"]["BACKEND"].endswith("DatabaseCache")
    assert set(RATES) <= set(settings.ACCOUNT_RATE_LIMITS)


def test_other_takers_of_passwords_share_the_limits(ada: User) -> None:
    request = RequestFactory().post("/auth/token", REMOTE_ADDR=HERE)

    assert passwords.checked(request, username=ada.username, password=factories.PASSWORD) == ada
    assert passwords.checked(request, username=ada.username, password="wrong") is None
    fail(ada.username, 4)
    with pytest.raises(RateLimited):
        passwords.checked(request, username=ada.username, password=factories.PASSWORD)


def test_only_a_few_hashes_are_computed_at_once() -> None:
    turns = BoundedSemaphore(1)

    with hashing.turn(turns, 1), pytest.raises(Unavailable), hashing.turn(turns, 0.01):
        pass
    with hashing.turn(turns, 0.01):
        pass


def test_the_bounded_hasher_is_djangos_own() -> None:
    hasher = hashing.BoundedHasher()
    encoded = hasher.encode("secret", "salt", 10)

    assert encoded == hashers.PBKDF2PasswordHasher().encode("secret", "salt", 10)
    assert hasher.verify("secret", encoded)


def test_asking_for_passkeys_does_not_fill_the_table_of_sessions(db: None) -> None:
    def ask() -> int:
        page = "/sign-in/second-factor/webauthn/login/"
        return Client().get(page, headers={"accept": "application/json"}, REMOTE_ADDR=HERE).status_code

    assert [ask() for _ in range(61)][-2:] == [200, 429]
