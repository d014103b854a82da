"""The edge: what is not a request of a student's client."""

import socket

import httpx
import pytest

from tests.chat.world import World
from tests.live import Gateway


def exchange(gateway: Gateway, sent: bytes) -> bytes:
    """What the gateway answers to bytes, until it closes or falls silent."""
    received = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=2) as client:
        client.sendall(sent)
        try:
            while part := client.recv(65536):
                received += part
        except TimeoutError:
            pass
    return received


def test_it_is_alive_and_ready(gateway: Gateway) -> None:
    for path in ("/health/live", "/health/ready"):
        assert httpx.get(f"{gateway.base_url}{path}").status_code == 200


def test_metrics_without_a_token_are_not_there(gateway: Gateway) -> None:
    assert httpx.get(f"{gateway.base_url}/metrics").status_code == 404


def test_no_response_names_the_software(world: World) -> None:
    headers = str(world.get("/v1/models").headers).lower() + str(world.get("/v1/nothing").headers).lower()

    assert not [name for name in ("uvicorn", "django", "python", "ninja") if name in headers]


@pytest.mark.parametrize("name", ["x-api-key", "X-Api-Key"])
def test_the_key_may_also_come_as_other_clients_send_it(world: World, name: str) -> None:
    response = httpx.get(f"{world.gateway.base_url}/v1/models", headers={name: world.key})

    assert response.status_code == 200


def test_two_keys_are_no_key(world: World) -> None:
    headers = [("authorization", f"Bearer {world.key}"), ("authorization", f"Bearer {world.key}")]

    assert httpx.get(f"{world.gateway.base_url}/v1/models", headers=headers).status_code == 401


def test_a_request_id_of_the_client_is_not_taken_over(world: World) -> None:
    headers = {"authorization": f"Bearer {world.key}", "x-request-id": "mine"}

    response = httpx.get(f"{world.gateway.base_url}/v1/models", headers=headers)

    assert response.headers["x-request-id"] != "mine"


def test_a_connection_is_used_again_after_a_refusal(world: World) -> None:
    wrong = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
    right = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    received = exchange(world.gateway, wrong + right)

    assert received.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 401" in received
    assert b"HTTP/1.1 200" in received


def test_nonsense_gets_a_400_and_the_connection_closed(gateway: Gateway) -> None:
    assert exchange(gateway, b"HELO mail\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert httpx.get(f"{gateway.base_url}/health/live").status_code == 200


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 10\r\nContent-Length: 20\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: abc\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_lengths_that_contradict_each_other_reach_nobody(world: World, lines: bytes) -> None:
    key = f"Authorization: Bearer {world.key}\r\n".encode()

    received = exchange(
        world.gateway, b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n" + key + lines + b"\r\n{}"
    )

    assert not received or received.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1//chat/completions", "/v1/nothing"])
def test_whatever_is_asked_under_the_base_url_is_answered_in_our_shape(world: World, path: str) -> None:
    response = world.get(path)

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "unknown_path"
