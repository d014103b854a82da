"""Requests that are wrong: each has its own code, in OpenAI's shape, and costs nothing."""

import gzip
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from apps.accounts.keys import issue
from apps.accounts.models import ApiKey
from tests import factories
from tests.chat.world import World, make_world, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub

MESSAGE = {"role": "user", "content": "Hi"}


@pytest.fixture(scope="module")
def shared(django_db_setup: None, django_db_blocker: Any, gateway: Gateway) -> Iterator[World]:
    """One world for all that is refused, since refusals change nothing in it."""
    with django_db_blocker.unblock(), ProviderStub() as stub, make_world(gateway, stub) as world:
        yield world
        assert stub.journal == [], "Something that was to be refused has reached the provider."
        assert (world.usage()["used"], world.usage()["held"]) == (0, 0)


pytestmark = pytest.mark.usefixtures("committed_db")


def assert_refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (response.status_code, response.headers["content-type"].split(";")[0]) == (status, "application/json")
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == code
    assert {"message", "type", "param", "code", "request_id", "fixed_by", "charged"} <= error.keys()
    assert error["request_id"] == response.headers["x-request-id"]
    assert error["charged"] == 0
    return error


# Keys


def revoked(world: World) -> str:
    key = factories.make_key(world.student)
    ApiKey.objects.filter(membership=world.student, last_four=key[-4:]).revoke(now=datetime.now(UTC))
    return key


KEYS: dict[str, Any] = {
    "missing": lambda world: {},
    "empty": lambda world: {"authorization": ""},
    "only the scheme": lambda world: {"authorization": "Bearer"},
    "another scheme": lambda world: {"authorization": f"Basic {world.key}"},
    "malformed": lambda world: {"authorization": "Bearer sk-1234"},
    "mistyped": lambda world: {"authorization": f"Bearer {world.key[:-1]}{'A' if world.key[-1] != 'A' else 'B'}"},
    "unknown": lambda world: {"authorization": f"Bearer {issue(pepper='other').text}"},
    "revoked": lambda world: {"authorization": f"Bearer {revoked(world)}"},
    "expired": lambda world: {
        "authorization": f"Bearer {factories.make_key(world.student, expires_at=datetime.now(UTC) - timedelta(days=1))}"
    },
    "of an inactive member": lambda world: {
        "authorization": f"Bearer {factories.make_key(factories.make_student(course=world.course, is_active=False))}"
    },
    "not ASCII": lambda world: {"authorization": "Bearer stoa_sk_ä".encode()},
    "very long": lambda world: {"authorization": f"Bearer {'a' * 5000}"},
}


@pytest.mark.parametrize("headers", KEYS.values(), ids=KEYS.keys())
def test_every_bad_key_gets_the_same_answer(shared: World, headers: Any) -> None:
    expected = httpx.post(f"{shared.gateway.base_url}/v1/chat/completions", json=shared.body())

    response = shared.post(headers=headers(shared))

    error = assert_refused(response, 401, "invalid_api_key")
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.text.replace(error["request_id"], "") == expected.text.replace(
        expected.json()["error"]["request_id"], ""
    )


@pytest.mark.parametrize("path", ["/v1/models", "/v1/usage", "/v1/models/x", "/v1/no-such-thing"])
def test_every_path_asks_for_the_key_first(shared: World, path: str) -> None:
    assert_refused(httpx.get(f"{shared.gateway.base_url}{path}"), 401, "invalid_api_key")


def test_the_key_is_asked_for_before_the_body_is_read(shared: World) -> None:
    """The body never comes, and the answer does not wait for it."""
    with socket.create_connection(("127.0.0.1", shared.gateway.port), timeout=5) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 401")


# Bodies

BODIES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "invalid_json"),
    "not JSON": (b"hello", "invalid_json"),
    "cut off": (b'{"model": "m", "messages": [', "invalid_json"),
    "not UTF-8": (b'{"model": "\xff"}', "invalid_encoding"),
    "in UTF-16": ('{"model": "m"}'.encode("utf-16"), "invalid_encoding"),
    "gzip without saying so": (gzip.compress(b"{}"), "invalid_encoding"),
    "a lone surrogate": (b'{"model": "\\ud800"}', "invalid_json"),
    "not a number": (b'{"model": NaN}', "invalid_json"),
    "a list": (b"[]", "invalid_json"),
    "null": (b"null", "invalid_json"),
    "too deep": (b'{"model": ' + b"[" * 300 + b"]" * 300 + b"}", "too_deep"),
    "far too deep": (b"[" * 100_000, "too_deep"),
    "too many values": (b'{"model": [' + b"[]," * 100_000 + b"1]}", "too_many_values"),
}


@pytest.mark.parametrize(("body", "code"), BODIES.values(), ids=BODIES.keys())
def test_a_broken_body_is_explained(shared: World, body: bytes, code: str) -> None:
    assert_refused(shared.post(content=body), 400, code)


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no model": ({"messages": [MESSAGE]}, "missing_required_parameter", "model"),
    "no messages": ({"messages": None}, "invalid_value", "messages"),
    "empty messages": ({"messages": []}, "invalid_value", "messages"),
    "messages as text": ({"messages": "Hi"}, "invalid_value", "messages"),
    "a message as text": ({"messages": ["Hi"]}, "invalid_value", "messages[0]"),
    "unknown role": ({"messages": [{"role": "wizard", "content": "Hi"}]}, "invalid_value", "messages[0].role"),
    "no role": ({"messages": [{"content": "Hi"}]}, "missing_required_parameter", "messages[0].role"),
    "content as number": (
        {"messages": [MESSAGE, {"role": "user", "content": 3}]},
        "invalid_value",
        "messages[1].content",
    ),
    "model as number": ({"model": 3}, "invalid_value", "model"),
    "empty model": ({"model": ""}, "invalid_value", "model"),
    "stream as text": ({"stream": "perhaps"}, "invalid_value", "stream"),
    "negative cap": ({"max_tokens": -1}, "invalid_value", "max_tokens"),
    "cap as text": ({"max_tokens": "many"}, "invalid_value", "max_tokens"),
    "fractional cap": ({"max_completion_tokens": 1.5}, "invalid_value", "max_completion_tokens"),
    "no choices": ({"n": 0}, "invalid_value", "n"),
    "stream options as list": ({"stream": True, "stream_options": []}, "invalid_value", "stream_options"),
}


@pytest.mark.parametrize(("change", "code", "param"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_value_is_named(shared: World, change: dict[str, Any], code: str, param: str) -> None:
    body = {**shared.body(), **change}
    if code == "missing_required_parameter" and param == "model":
        del body["model"]

    error = assert_refused(shared.post(body), 400, code)

    assert error["param"].startswith(param)


def test_an_unknown_model_is_not_found_and_the_allowed_ones_are_named(shared: World) -> None:
    error = assert_refused(shared.post({**shared.body(), "model": "gpt-99"}), 404, "model_not_found")

    assert shared.model.name in error["message"]


def test_a_model_of_another_course_is_refused_like_one_that_nobody_has(shared: World) -> None:
    """To the byte, once that model is known: its own course gets it."""
    course = factories.make_course()
    other, key = factories.make_model(course=course), factories.make_key(factories.make_student(course=course))
    wait_until(lambda: shared.get(f"/v1/models/{other.name}", key=key).status_code == 200)

    for ask in (
        lambda name: shared.post({**shared.body(), "model": name}),
        lambda name: shared.get(f"/v1/models/{name}"),
    ):
        answers = {name: ask(name) for name in (other.name, "x" * len(other.name))}

        said = {
            answer.text.replace(answer.headers["x-request-id"], "").replace(name, "")
            for name, answer in answers.items()
        }
        assert {answer.status_code for answer in answers.values()} == {404}
        assert len(said) == 1
        assert len({tuple(answer.headers) for answer in answers.values()}) == 1


def test_a_body_that_is_too_long_is_refused(shared: World) -> None:
    text = "x" * 2**20

    assert_refused(shared.post(shared.body(text)), 413, "request_too_large")
    assert_refused(shared.post(content=b" " * (28 * 2**20 + 1)), 413, "request_too_large")


def compressed(world: World, coding: str, body: bytes) -> httpx.Response:
    return world.post(content=body, headers={"authorization": f"Bearer {world.key}", "content-encoding": coding})


def test_a_bomb_is_too_long(shared: World) -> None:
    response = compressed(shared, "gzip", gzip.compress(b" " * 64 * 2**20))

    assert_refused(response, 413, "request_too_large")


def test_what_is_compressed_in_another_way_is_told_which_are_taken(shared: World) -> None:
    response = compressed(shared, "br", b"anything")

    assert_refused(response, 415, "unsupported_encoding")
    assert response.headers["accept-encoding"] == "gzip, deflate"


def test_what_is_not_compressed_as_it_says_is_refused(shared: World) -> None:
    assert_refused(compressed(shared, "gzip", b"{}"), 400, "invalid_compression")


def test_a_body_that_says_it_is_too_long_is_refused_unread(shared: World) -> None:
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {shared.key}\r\nContent-Length: 999999999\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", shared.gateway.port), timeout=5) as client:
        client.sendall(head.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_a_body_in_chunks_that_grows_too_long_is_refused(shared: World) -> None:
    content = (b" " * 2**20 for _ in range(29))

    try:
        response = shared.post(content=content)
    except httpx.WriteError:
        return  # hanging up on a client that keeps sending is as good
    assert_refused(response, 413, "request_too_large")


# Paths and methods


@pytest.mark.parametrize("path", ["/v1/no-such-thing", "/v1/", "/v1/chat", "/v1/chat/completions/x", "/v1/%00"])
def test_an_unknown_path_is_not_found_in_json(shared: World, path: str) -> None:
    assert_refused(shared.get(path), 404, "unknown_path")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/chat/completions"),
        ("PUT", "/v1/chat/completions"),
        ("DELETE", "/v1/chat/completions"),
        ("POST", "/v1/models"),
        ("POST", "/v1/usage"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(shared: World, method: str, path: str) -> None:
    headers = {"authorization": f"Bearer {shared.key}"}

    response = httpx.request(method, f"{shared.gateway.base_url}{path}", headers=headers)

    assert_refused(response, 405, "method_not_allowed")
    assert response.headers["allow"]


def test_refusals_of_bad_requests_write_no_call_records(shared: World) -> None:
    shared.post(content=b"{")

    assert shared.calls() == []
