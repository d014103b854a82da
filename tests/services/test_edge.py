"""The door to services, asked byte by byte: what is refused there and how, and what becomes of the connection."""

import json
import socket
import time
from typing import Any

import pytest

from tests import factories
from tests.chat.world import wait_until
from tests.live import Gateway
from tests.server.raw import PATIENCE, answer, status
from tests.server.test_unread import BUFFERED, CHUNK, HUGE, push
from tests.services.instances import UsersInstance
from tests.services.world import ServiceWorld, make_service_world

ORIGIN = "https://app.example.edu"
UPGRADE = b"Connection: close, Upgrade\r\nUpgrade: %b\r\n"


def head(world: ServiceWorld, line: str, *headers: bytes, key: bool = True) -> bytes:
    """The head of a request that closes its connection; `line` has {} for the service's address."""
    first = line.format(world.prefix).encode()
    own = b"Authorization: Bearer %b\r\n" % world.key.encode() if key else b""
    closing = b"" if any(b"Connection" in header for header in headers) else b"Connection: close\r\n"
    version = b"" if first.endswith(b" HTTP/1.0") else b" HTTP/1.1"
    return b"%b%b\r\nHost: localhost\r\n%b%b%b\r\n" % (first, version, own, closing, b"".join(headers))


def problem(received: bytes) -> dict[str, Any]:
    top, _, body = received.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in top.lower()
    assert b"cache-control: no-store" in top.lower()
    told: dict[str, Any] = json.loads(body)
    assert status(received) == told["status"]
    assert told["request_id"].encode() in top
    return told


def test_a_refusal_is_a_problem_in_detail(service_world: ServiceWorld) -> None:
    told = problem(answer(service_world.gateway, head(service_world, "GET {}/", key=False)))

    assert told.pop("request_id")
    assert told.pop("detail").startswith("This API key is missing or not valid.")
    assert told == {
        "type": "about:blank", "title": "Unauthorized", "status": 401, "code": "invalid_api_key", "fixed_by": "you",
    }  # fmt: skip


REFUSED: dict[str, tuple[str, int, str]] = {
    "dots": ("GET {}/../x", 400, "ambiguous_address"),
    "an encoded slash": ("GET {}/a%2fb", 400, "ambiguous_address"),
    "an encoded door": ("GET /%73vc/users", 404, "unknown_service"),
    "no service": ("GET /svc/of-nobody/x", 404, "unknown_service"),
    "no name": ("GET /svc", 404, "unknown_service"),
    "TRACE": ("TRACE {}/", 405, "method_not_allowed"),
}


@pytest.mark.parametrize(("line", "expected", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_what_no_service_is_asked_is_refused(
    service_world: ServiceWorld, users: UsersInstance, line: str, expected: int, code: str
) -> None:
    told = problem(answer(service_world.gateway, head(service_world, line)))

    assert (told["status"], told["code"]) == (expected, code)
    assert users.journal == []


@pytest.mark.parametrize("line", ["GET {}/../x", "GET /svc/of-nobody/x", "TRACE {}/", "GET /svc"])
def test_nobody_without_a_key_learns_why(service_world: ServiceWorld, line: str) -> None:
    assert problem(answer(service_world.gateway, head(service_world, line, key=False)))["code"] == "invalid_api_key"


@pytest.mark.parametrize("offer", [b"websocket", b"WebSocket", b"foo/2"])
def test_an_upgrade_is_refused_with_a_sentence(service_world: ServiceWorld, users: UsersInstance, offer: bytes) -> None:
    told = problem(answer(service_world.gateway, head(service_world, "GET {}/", UPGRADE % offer)))

    assert (told["status"], told["code"]) == (400, "upgrade_refused")
    assert "WebSockets" in told["detail"]
    assert users.journal == []


def test_an_offer_that_a_client_can_do_without_is_ignored(service_world: ServiceWorld) -> None:
    request = head(service_world, "GET {}/", UPGRADE % b"h2c", b"HTTP2-Settings: AAMA\r\n")

    assert status(answer(service_world.gateway, request)) == 200


# Bodies

LIMIT = 10 * 2**20  # of a service by default
TOO_LONG = {
    "of a length that is told": b"Content-Length: %d\r\n" % HUGE,
    "in chunks": b"Transfer-Encoding: chunked\r\n",
    "after asking whether to send it": b"Expect: 100-continue\r\nContent-Length: %d\r\n" % HUGE,
}


@pytest.mark.parametrize("told", TOO_LONG.values(), ids=TOO_LONG.keys())
def test_a_body_beyond_the_limit_is_not_received(service_world: ServiceWorld, told: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service_world.gateway.port), timeout=PATIENCE) as client:
        client.sendall(head(service_world, "POST {}/", told))

        taken = push(client, CHUNK, HUGE)

    assert taken < BUFFERED


@pytest.mark.parametrize("told", [TOO_LONG["of a length that is told"], TOO_LONG["after asking whether to send it"]])
def test_its_refusal_arrives_before_it_is_sent(service_world: ServiceWorld, users: UsersInstance, told: bytes) -> None:
    received = answer(service_world.gateway, head(service_world, "POST {}/", told))

    assert (problem(received)["status"], problem(received)["code"]) == (413, "request_too_large")
    assert b"connection: close" in received
    assert b"100 Continue" not in received
    assert users.journal == []


def test_chunks_beyond_the_limit_are_answered_while_they_come(
    service_world: ServiceWorld, users: UsersInstance
) -> None:
    """A client that sends all of it before it reads gets to read the answer, if there is not much more of it."""
    request = head(service_world, "POST {}/", b"x-fail: how=echo\r\n", TOO_LONG["in chunks"])

    received = answer(service_world.gateway, request, CHUNK * (LIMIT // 2**20 + 2), b"0\r\n\r\n")

    assert problem(received)["status"] == 413
    assert not any(request["is_whole"] for request in users.journal)


def test_an_early_answer_arrives_although_the_client_goes_on_sending(service_world: ServiceWorld) -> None:
    request = head(service_world, "POST {}/", b"x-fail: how=error&status=418&reads=false\r\n", TOO_LONG["in chunks"])

    received = answer(service_world.gateway, request, CHUNK * 3, b"0\r\n\r\n")

    assert (status(received), b"connection: close" in received) == (418, True)


def test_a_client_that_asks_first_is_told_to_send_its_body(service_world: ServiceWorld) -> None:
    request = head(service_world, "POST {}/", b"x-fail: how=echo\r\nExpect: 100-continue\r\nContent-Length: 3\r\n")
    with socket.create_connection(("127.0.0.1", service_world.gateway.port), timeout=PATIENCE) as client:
        client.sendall(request)
        interim = client.recv(65_536)
        client.sendall(b"abc")
        received = b"".join(iter(lambda: client.recv(65_536), b""))

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert json.loads(received.partition(b"\r\n\r\n")[2])["body"] == "abc"


@pytest.mark.parametrize("told", [b"Content-Length: 100000\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_client_that_leaves_within_its_body_is_noticed(
    service_world: ServiceWorld, users: UsersInstance, told: bytes
) -> None:
    """The service is not told that what came was all."""
    with socket.create_connection(("127.0.0.1", service_world.gateway.port), timeout=PATIENCE) as client:
        client.sendall(head(service_world, "POST {}/", b"x-fail: how=echo\r\n", told) + b"3\r\nabc\r\n")
        wait_until(lambda: users.open > 0, what="The beginning of the request")

    wait_until(lambda: users.open == 0, what="Its end")
    assert [request["is_whole"] for request in users.journal] == [False]


def test_a_client_that_leaves_while_it_waits_is_noticed(service_world: ServiceWorld, users: UsersInstance) -> None:
    with socket.create_connection(("127.0.0.1", service_world.gateway.port), timeout=PATIENCE) as client:
        client.sendall(head(service_world, "POST {}/", b"x-fail: how=hang\r\nContent-Length: 3\r\n") + b"abc")
        wait_until(lambda: users.open > 0, what="The beginning of the request")

    wait_until(lambda: users.open == 0, what="Its end")


def test_a_service_that_reads_slowly_slows_its_callers_down(service_world: ServiceWorld) -> None:
    request = head(service_world, "POST {}/", b"x-fail: how=hang&reads=false\r\nContent-Length: %d\r\n" % LIMIT)
    with socket.create_connection(("127.0.0.1", service_world.gateway.port), timeout=PATIENCE) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        client.sendall(request)
        client.setblocking(False)
        sent = 0
        for _ in range(50):
            try:
                sent += client.send(b"x" * 65_536)
            except BlockingIOError:
                time.sleep(0.02)

    assert sent < LIMIT


# Versions, methods and answers


def test_a_client_of_http_1_0_gets_an_answer_without_chunks(service_world: ServiceWorld) -> None:
    request = head(service_world, "GET {}/ HTTP/1.0", b"x-fail: how=big&bytes=200000&chunked=true\r\n")

    top, _, body = answer(service_world.gateway, request).partition(b"\r\n\r\n")

    assert b"transfer-encoding" not in top.lower()
    assert body == b"x" * 200_000


def test_a_head_has_the_length_and_no_body(service_world: ServiceWorld, users: UsersInstance) -> None:
    received = answer(service_world.gateway, head(service_world, "HEAD {}/", b"x-fail: how=big&bytes=5000\r\n"))

    assert b"content-length: 5000\r\n" in received
    assert received.endswith(b"\r\n\r\n")
    assert [request["method"] for request in users.journal] == ["HEAD"]


@pytest.mark.parametrize("code", [204, 304])
def test_an_answer_that_has_no_body_is_complete(service_world: ServiceWorld, users: UsersInstance, code: int) -> None:
    text = f"HTTP/1.1 {code} x\r\nContent-Length: 5\r\nEtag: x\r\n\r\n"
    users.will("raw", text=text)

    received = answer(service_world.gateway, head(service_world, "GET {}/"))

    assert status(received) == code
    assert b"content-length" not in received.lower()
    assert b"etag: x" in received.lower()


@pytest.mark.parametrize("method", ["PROPFIND", "M-SEARCH", "PURGE", "QUERY", "UNLOCK"])
def test_every_method_is_passed_on(service_world: ServiceWorld, method: str) -> None:
    assert service_world.echo(method)["method"] == method


# Pages of other origins


def test_a_preflight_needs_no_key(
    gateway: Gateway, committed_db: None, pair: tuple[UsersInstance, UsersInstance]
) -> None:
    with make_service_world(gateway, pair[0], cors_origins=[ORIGIN]) as world:
        asks = {"access-control-request-method": "PUT", "access-control-request-headers": "authorization,x-a,cookie"}
        preflight = world.request("OPTIONS", "/1", key="", headers={"origin": ORIGIN, **asks})
        foreign = world.request("OPTIONS", "/1", key="", headers={"origin": "https://evil.example", **asks})
        page = world.get(headers={"origin": ORIGIN})
        refused = world.get(key="", headers={"origin": ORIGIN})

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    assert preflight.headers["access-control-allow-headers"] == "authorization, x-a"
    assert "access-control-allow-origin" not in foreign.headers
    assert (page.status_code, page.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ORIGIN)
    assert [seen["method"] for seen in pair[0].journal if seen["method"] == "OPTIONS"] == []


def test_without_origins_a_preflight_is_any_request(service_world: ServiceWorld) -> None:
    asks = {"origin": ORIGIN, "access-control-request-method": "PUT"}

    assert service_world.request("OPTIONS", key="", headers=asks).status_code == 401
    assert "access-control-allow-origin" not in service_world.get(headers={"origin": ORIGIN}).headers


# What passes


def test_what_passes_does_so_to_the_byte(service_world: ServiceWorld) -> None:
    received = service_world.echo("PUT", "/a%20b;c=d/%C3%A9?x=%2F&y&&z=1+2", headers={"x-a": "1"}, content=b"\x00\xff")

    assert received["target"] == "/a%20b;c=d/%C3%A9?x=%2F&y&&z=1+2"
    assert received["body"] == "\x00\xff"
    names = {name for name, _ in received["headers"]}
    assert "x-a" in names
    assert {"authorization", "x-api-key", "cookie"}.isdisjoint(names)


def test_a_service_that_leads_to_itself_is_found_out(gateway: Gateway, committed_db: None) -> None:
    service = factories.make_service(callers=["anonymous"])
    factories.make_instance(service, f"{gateway.base_url}/svc/{service.prefix}")
    with ServiceWorld(gateway, service, factories.make_student(), key="") as world:
        wait_until(lambda: world.get("/x").status_code == 508, what="The end of the loop", every=0.1)

        assert world.get("/x").json()["code"] == "loop"
