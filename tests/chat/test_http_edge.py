"""The edge: what is not a request of a student's client."""

import json
import socket

import httpx
import pytest

from tests.chat.world import PATIENCE, World, make_world, wait_until
from tests.live import Gateway
from tests.provider_stub import ProviderStub


def exchange(gateway: Gateway, sent: bytes) -> bytes:
    """What the gateway answers to bytes, until it closes."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE) as client:
        client.sendall(sent)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_it_is_alive_and_ready(gateway: Gateway) -> None:
    for path in ("/health/live", "/health/ready"):
        assert httpx.get(f"{gateway.base_url}{path}").status_code == 200


def test_metrics_without_a_token_are_not_there(gateway: Gateway) -> None:
    assert httpx.get(f"{gateway.base_url}/metrics").status_code == 404


def test_no_response_names_the_software(world: World) -> None:
    headers = str(world.get("/v1/models").headers).lower() + str(world.get("/v1/nothing").headers).lower()

    assert not [name for name in ("uvicorn", "django", "python", "ninja") if name in headers]


OTHER = "stoa_sk_other"
SAME: dict[str, list[tuple[str, str]]] = {
    "x-api-key": [("x-api-key", "{key}")],
    "X-Api-Key": [("X-Api-Key", "{key}")],
    "Azure's api-key": [("api-key", "{key}")],
    "bearer": [("authorization", "bearer {key}")],
    "a tab": [("authorization", "Bearer\t{key}")],
    "several spaces": [("authorization", "Bearer    {key}")],
    "two headers": [("authorization", "Bearer {key}"), ("x-api-key", "{key}")],
    "three headers": [("api-key", "{key}"), ("authorization", "Bearer {key}"), ("x-api-key", "{key}")],
}
DIFFERENT: dict[str, list[tuple[str, str]]] = {
    "another in x-api-key": [("authorization", "Bearer {key}"), ("x-api-key", OTHER)],
    "another in authorization": [("authorization", f"Bearer {OTHER}"), ("x-api-key", "{key}")],
    "another in api-key": [("api-key", OTHER), ("x-api-key", "{key}")],
    "another scheme": [("authorization", "Basic {key}"), ("x-api-key", "{key}")],
    "the same header twice": [("authorization", "Bearer {key}"), ("authorization", "Bearer {key}")],
    "no scheme": [("authorization", "{key}")],
    "the scheme alone": [("authorization", "Bearer")],
}


def models(world: World, headers: list[tuple[str, str]]) -> int:
    told = [(name, value.format(key=world.key)) for name, value in headers]
    return httpx.get(f"{world.gateway.base_url}/v1/models", headers=told).status_code


def test_the_key_may_come_as_any_client_sends_it(world: World) -> None:
    assert {name: models(world, headers) for name, headers in SAME.items()} == dict.fromkeys(SAME, 200)


def test_keys_that_differ_are_no_key(world: World) -> None:
    assert {name: models(world, headers) for name, headers in DIFFERENT.items()} == dict.fromkeys(DIFFERENT, 401)


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


@pytest.mark.parametrize("path", ["/v1", "/v1/", "//v1", "/v1/nothing", "/v1/embeddings"])
def test_whatever_is_asked_under_the_base_url_is_answered_in_our_shape(world: World, path: str) -> None:
    response = world.get(path)

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "unknown_path"


SLASHES = ["//v1/chat/completions", "/v1//chat/completions", "/v1/chat//completions/", "///v1/chat/completions//"]


def test_slashes_too_many_change_nothing(world: World) -> None:
    headers = {"authorization": f"Bearer {world.key}"}

    answers = [httpx.post(f"{world.gateway.base_url}{path}", json=world.body(), headers=headers) for path in SLASHES]

    assert [answer.status_code for answer in answers] == [200] * len(SLASHES)
    assert world.get("/v1/models/").json() == world.get("/v1/models").json()


WRONG_BASE = [
    *("/chat/completions", "//chat/completions", "/v1/v1/chat/completions", "/api/v1/chat/completions"),
    *("/v1/chat/completions/chat/completions", "/openai/deployments/m/chat/completions", "/v1beta/chat/completions"),
    *(
        "/models",
        "/api/models",
        "/v1/v1/models",
        "/models/gpt/x",
        "/responses",
        "/completions",
        "/embeddings",
        "/usage",
    ),
]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_wrong_base_url_is_told_the_right_one(world: World, method: str) -> None:
    headers = {"authorization": f"Bearer {world.key}"}
    for path in WRONG_BASE:
        response = httpx.request(method, f"{world.gateway.base_url}{path}", headers=headers)

        assert (response.status_code, response.json()["error"]["code"]) == (404, "unknown_path"), path
        assert f"{world.gateway.base_url}/v1:" in response.json()["error"]["message"], path


@pytest.mark.parametrize("path", ["/admin/models", "/static/models", "/docs", "/nothing"])
def test_pages_are_not_taken_for_the_api(gateway: Gateway, path: str) -> None:
    assert "application/json" not in httpx.get(f"{gateway.base_url}{path}").headers["content-type"]


def test_whatever_can_be_got_can_be_asked_for_its_head(world: World) -> None:
    headers = {"authorization": f"Bearer {world.key}"}
    paths = ["/v1/models", f"/v1/models/{world.model.name}", "/v1/usage", "/v1/usage/requests", "/v1/rules/appeals"]
    paths += ["/", "/health/live", "/health/ready", "/docs", "/openapi.json", "/api/staff/docs", "/admin/login/"]

    for path in paths:
        got, head = (
            httpx.request(method, f"{world.gateway.base_url}{path}", headers=headers) for method in ("GET", "HEAD")
        )

        assert (head.status_code, head.content) == (200, b""), path
        assert got.status_code == 200
        assert head.headers["content-type"] == got.headers["content-type"]


def test_the_head_of_what_is_only_posted_is_a_wrong_method(world: World) -> None:
    headers = {"authorization": f"Bearer {world.key}"}

    response = httpx.head(f"{world.gateway.base_url}/v1/chat/completions", headers=headers)

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


H2C = "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAA\r\n"


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("is_stream", [False, True])
def test_an_offer_of_http_2_is_answered_over_http_1(world: World, is_stream: bool, is_chunked: bool) -> None:
    """As Java's HttpClient and `curl --http2` make it with every request over http://."""
    body = json.dumps(world.body(stream=is_stream)).encode()
    length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {len(body)}"
    key = f"Host: a\r\nAuthorization: Bearer {world.key}\r\n"
    head = f"POST /v1/chat/completions HTTP/1.1\r\n{key}{H2C}{length}\r\n\r\n".encode()
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    received = exchange(world.gateway, head + (chunks if is_chunked else body))

    assert received.startswith(b"HTTP/1.1 200 ")
    assert b"Hello" in received


def old(world: World, body: dict[str, object]) -> bytes:
    """What HTTP/1.0 gets, until the connection is closed."""
    content = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.0\r\nAuthorization: Bearer {world.key}\r\nContent-Length: {len(content)}"
    return exchange(world.gateway, f"{head}\r\n\r\n".encode() + content)


def test_a_stream_over_http_1_0_is_not_chunked_and_ends_with_the_connection(world: World) -> None:
    head, _, body = old(world, world.body(stream=True)).partition(b"\r\n\r\n")

    assert b" 200 " in head
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


def test_a_plain_answer_over_http_1_0_has_its_length(world: World) -> None:
    head, _, body = old(world, world.body()).partition(b"\r\n\r\n")

    assert f"content-length: {len(body)}".encode() in head.lower()


def test_a_model_that_no_header_can_carry_is_named_in_percent_encoding(
    committed_db: None, gateway: Gateway, plain_stub: ProviderStub
) -> None:
    with make_world(gateway, plain_stub) as world:
        world.model.deployments.update(upstream_model="modèle-大")
        world.model.save()
        wait_until(lambda: world.post().headers["x-gateway-model"] == "mod%C3%A8le-%E5%A4%A7")
