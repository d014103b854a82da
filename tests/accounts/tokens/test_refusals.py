"""Whatever buys no tokens is refused alike."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.accounts.keys import issue as issue_key
from apps.accounts.models import ApiKey, Membership, TokenFamily, User
from tests import factories
from tests.accounts.tokens.asking import JSON, is_refused, issued, post
from tests.factories import PASSWORD

pytestmark = pytest.mark.usefixtures("db")


def _key(member: Membership, **values: Any) -> str:
    text = factories.make_key(member)
    ApiKey.objects.filter(last_four=text[-4:]).update(**values)
    return text


def _inactive(**values: Any) -> str:
    member = factories.make_student()
    text = factories.make_key(member)
    Membership.objects.filter(pk=member.pk).update(is_active=False)
    User.objects.filter(pk=member.user_id).update(**values)
    return text


def _person(**values: Any) -> dict[str, Any]:
    return {"username": factories.make_operator(**values).username, "password": PASSWORD}


NOW = datetime.now(UTC)
BODIES: dict[str, Callable[[Membership], Any]] = {
    "nothing": lambda _: {},
    "null": lambda _: None,
    "a list": lambda _: [],
    "a text": lambda _: "stoa_sk_",
    "a key that was never issued": lambda _: {"api_key": issue_key(pepper="x").text},
    "a key with a typing error": lambda member: {"api_key": factories.make_key(member)[:-1] + "-"},
    "a revoked key": lambda member: {"api_key": _key(member, revoked_at=NOW)},
    "an expired key": lambda member: {"api_key": _key(member, expires_at=NOW)},
    "a key of a former member": lambda _: {"api_key": _inactive()},
    "a key of somebody deactivated": lambda _: {"api_key": _inactive(is_active=False)},
    "a key of another course": lambda member: {"api_key": factories.make_key(member), "course": "another"},
    "an empty key": lambda _: {"api_key": ""},
    "a key that is no text": lambda _: {"api_key": 1},
    "a key in a list": lambda member: {"api_key": [factories.make_key(member)]},
    "a key of 10 kB": lambda _: {"api_key": "stoa_sk_" + "x" * 10_000},
    "a key with a null character": lambda member: {"api_key": factories.make_key(member) + "\0"},
    "a key and a password": lambda member: {"api_key": factories.make_key(member), **_person()},
    "a key and a code": lambda member: {"api_key": factories.make_key(member), "otp": "123456"},
    "an unknown person": lambda _: {"username": "nobody", "password": PASSWORD},
    "a wrong password": lambda _: {**_person(), "password": "wrong"},
    "an empty password": lambda _: {**_person(), "password": ""},
    "a password alone": lambda _: {"password": PASSWORD},
    "a name alone": lambda _: {"username": "admin"},
    "a name and a code": lambda _: {"username": "admin", "otp": "123456"},
    "a password that is no text": lambda _: {**_person(), "password": True},
    "somebody deactivated": lambda _: _person(is_active=False),
    "somebody who is no staff": lambda _: _person(is_staff=False, is_superuser=False),
    "a name with a null character": lambda _: {"username": "admin\0", "password": PASSWORD},
    "a name with half a character": lambda _: {"username": "admin\ud800", "password": PASSWORD},
    "SQL": lambda _: {"username": "' OR 1=1 --", "password": "' OR '1'='1"},
    "a pattern": lambda _: {"username": "%", "password": "%"},
    "an unknown field": lambda member: {"api_key": factories.make_key(member), "is_staff": True},
    "unknown scopes": lambda member: {"api_key": factories.make_key(member), "scopes": {"everything": True}},
    "an unknown surface": lambda member: {"api_key": factories.make_key(member), "scopes": {"surfaces": ["admin"]}},
    "scopes that are no object": lambda member: {"api_key": factories.make_key(member), "scopes": "all"},
    "a course that is no text": lambda member: {"api_key": factories.make_key(member), "course": 1},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_these_are_refused_alike(body: Callable[[Membership], Any]) -> None:
    assert is_refused(post("token", body(factories.make_student())))

    assert not TokenFamily.objects.exists()


RAW = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"api_key": "\xff"}',
    "UTF-16": '{"api_key": "%s"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"api_key": "%s"}',
    "one name twice": b'{"api_key": "%s", "api_key": "%s"}',
    "NaN": b'{"api_key": "%s", "scopes": NaN}',
    "two values": b'{"api_key": "%s"} {}',
    "5,000 lists in each other": b'{"api_key": "%s", "scopes": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "5,000 digits": b'{"api_key": "%s", "course": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW.keys())
def test_bodies_that_are_no_strict_json_are_refused_alike(raw: bytes) -> None:
    assert is_refused(post("token", raw=raw.replace(b"%s", factories.make_key().encode())))


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_only_json_is_read(kind: str) -> None:
    raw = b'{"api_key": "%s"}' % factories.make_key().encode()

    assert is_refused(post("token", raw=raw, content_type=kind))
    assert issued(post("token", raw=raw, content_type=f"{JSON}; charset=utf-8"))


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
def test_credentials_in_a_header_are_one_too_many(header: str) -> None:
    key = factories.make_key()

    assert is_refused(post("token", {"api_key": key}, **{header: f"Bearer {key}"}))


def test_nothing_is_taken_from_the_address() -> None:
    assert is_refused(post(f"token?api_key={factories.make_key()}", {}))


@pytest.mark.parametrize(("path", "size"), list(itertools.product(("token", "refresh", "logout"), (20_000, 2_000_000))))
def test_long_bodies_are_refused_unread(path: str, size: int) -> None:
    answer = post(path, {"api_key": "x" * size})

    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"


@pytest.mark.parametrize("path", ["refresh", "logout"])
@pytest.mark.parametrize(
    "body", [{}, None, {"refresh_token": ""}, {"refresh_token": 1}, {"refresh_token": "stoa_rt_x"}, {"x": 1}]
)
def test_what_is_no_refresh_token_is_refused_alike(path: str, body: Any) -> None:
    assert is_refused(post(path, body))
