"""The bounds of a request, asked of a running server byte by byte."""

import contextlib
import os
import re
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from gateway_project.processes.descriptors import connection_ceiling
from tests import factories
from tests.chat.world import wait_until
from tests.live import WITHOUT_CELERY, Gateway, models_on, separate_gateway, start_gateway
from tests.server.conftest import CEILING
from tests.server.raw import PATIENCE, answer, status
from tests.services.endless import EndlessInstance
from tests.services.world import ServiceWorld, create_service_world

LINE = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n"


@pytest.fixture(scope="module")
def hasty(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that waits for half a second only, and keeps idle connections for three."""
    limits = {"RECEIPT_TIMEOUT": "0.5", "CLIENT_KEEPALIVE": "3", "CLIENT_STALL_TIMEOUT": "1"}
    with separate_gateway(pristine, tmp_path_factory.mktemp("hasty"), **limits, **WITHOUT_CELERY) as gateway:
        yield gateway


REQUESTS: dict[str, tuple[bytes, int]] = {
    "a short request": (LINE + b"connection: close\r\n\r\n", 200),
    "many headers, but not too many": (LINE + b"connection: close\r\n" + b"x: y\r\n" * 90 + b"\r\n", 200),
    "too many headers": (LINE + b"x: y\r\n" * 101 + b"\r\n", 431),
    "a header that is too large": (LINE + b"x: " + b"y" * 40_000 + b"\r\n\r\n", 431),
    "a header of megabytes": (LINE + b"x: " + b"y" * 3_000_000 + b"\r\n\r\n", 431),
    "headers that are too large together": (LINE + (b"x: " + b"y" * 1_000 + b"\r\n") * 40 + b"\r\n", 431),
    "an address that is too long": (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n", 414),
}


@pytest.mark.parametrize(("request_bytes", "expected"), REQUESTS.values(), ids=REQUESTS.keys())
def test_a_request_is_taken_or_refused_by_its_size(gateway: Gateway, request_bytes: bytes, expected: int) -> None:
    received = answer(gateway, request_bytes)

    # A client that is still sending when the connection is closed may lose the answer: that is a refusal, too.
    assert status(received) in ((expected,) if expected == 200 else (expected, 0))


def test_a_refusal_of_a_request_that_fits_the_socket_arrives(gateway: Gateway) -> None:
    received = answer(gateway, LINE + b"x: y\r\n" * 101 + b"\r\n")

    assert status(received) == 431
    assert re.search(rb"\r\nx-request-id: [0-9a-f]{32}\r\n", received)


SLOW: dict[str, tuple[bytes, ...]] = {
    "nothing": (),
    "half a header": (LINE + b"x: ",),
    "a header that trickles": (LINE, *[b"x: y\r\n"] * 20),
    "half a body": (b"POST /admin/login/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5000\r\n\r\n", b"a" * 10),
    "a body that trickles": (
        b"POST /admin/login/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5000\r\n\r\n",
        *[b"a"] * 20,
    ),
}


@pytest.mark.parametrize("pieces", SLOW.values(), ids=SLOW.keys())
def test_a_client_that_sends_too_slowly_is_let_go(hasty: Gateway, pieces: tuple[bytes, ...]) -> None:
    started = time.monotonic()

    received = answer(hasty, *pieces, pause=0.1)

    assert received == b""
    assert time.monotonic() - started < 4


@pytest.fixture(scope="module")
def service(hasty: Gateway, django_db_setup: None, django_db_blocker: Any) -> Iterator[ServiceWorld]:
    """One whose instance nobody reaches: it is not asked before a short body is whole."""
    with django_db_blocker.unblock(), models_on(hasty.data_dir):
        with transaction.atomic():  # or the service may be seen without its instance
            world = create_service_world(hasty)
            factories.make_instance(world.service, "http://127.0.0.1:9")
        with world:
            world.wait_until_seen()
            yield world


@pytest.mark.parametrize("trickles", [False, True], ids=["stops", "trickles"])
def test_a_body_for_a_service_that_comes_too_slowly_is_answered(service: ServiceWorld, trickles: bool) -> None:
    """All other clients of that kind are let go without a word, since nothing would come of it but a retry."""
    head = (
        f"POST {service.prefix}/ HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {service.key}\r\n"
        "content-length: 5000\r\n\r\n"
    ).encode()

    received = answer(service.gateway, head, *[b"a"] * (8 if trickles else 1), pause=0.1)

    assert status(received) == 408
    assert b"connection: close" in received
    assert b'"code":"body_stalled"' in received


@pytest.fixture(scope="module")
def instance() -> EndlessInstance:
    return EndlessInstance()


@pytest.fixture(scope="module")
def endless(
    hasty: Gateway, instance: EndlessInstance, django_db_setup: None, django_db_blocker: Any
) -> Iterator[ServiceWorld]:
    with django_db_blocker.unblock(), models_on(hasty.data_dir):
        with transaction.atomic():
            world = create_service_world(hasty)
            factories.make_instance(world.service, instance.url)
        with world:
            world.wait_until_seen()
            yield world


def asking(world: ServiceWorld) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", world.gateway.port), timeout=PATIENCE)
    client.sendall(
        f"GET {world.prefix}/endless HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {world.key}\r\n\r\n".encode()
    )
    return client


def test_a_client_that_takes_nothing_is_let_go_and_holds_no_instance(
    endless: ServiceWorld, instance: EndlessInstance
) -> None:
    with asking(endless):
        wait_until(lambda: instance.open == 1, what="The request")

        wait_until(lambda: instance.open == 0, what="The end of the answer")


def test_a_client_that_takes_a_little_is_served(endless: ServiceWorld, instance: EndlessInstance) -> None:
    with asking(endless) as client:
        for _ in range(4):
            time.sleep(0.5)
            assert client.recv(300_000)

        assert instance.open == 1


def test_a_body_that_keeps_coming_is_taken_however_long_it_takes(hasty: Gateway) -> None:
    head = b"POST /admin/login/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 8000\r\n\r\n"

    received = answer(hasty, head, *[b"a" * 500] * 16, pause=0.1)

    assert status(received) == 403  # read whole, and refused for want of a CSRF token


def test_a_connection_between_two_requests_may_rest(hasty: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=5) as client:
        for _ in range(2):
            client.sendall(LINE + b"\r\n")
            received = b""
            while not received.endswith(b'{"status": "ok"}'):
                part = client.recv(65536)
                assert part, "The connection was closed."
                received += part
            time.sleep(1)


def test_what_comes_behind_a_body_is_bounded(gateway: Gateway) -> None:
    """Trailers and the extensions of chunks, which no limit of bodies counts."""
    chunked = b"POST /admin/login/ HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"

    for endless in (b"0\r\nx: ", b"2;"):
        received = answer(gateway, chunked + b"2\r\n{}\r\n" + endless, *[b"y" * 30_000] * 4, pause=0.02)

        assert status(received) in (431, 0)


def test_a_trailer_is_no_header(gateway: Gateway) -> None:
    chunked = b"POST /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"

    received = answer(gateway, chunked + b"0\r\nauthorization: Bearer x\r\nhost: other\r\n\r\n")

    assert status(received) == 401


def test_too_many_requests_in_a_row_are_too_much(gateway: Gateway) -> None:
    received = answer(gateway, (LINE + b"\r\n") * 1_000)

    assert received.count(b"HTTP/1.1 200") < 1_000


def test_an_idle_connection_is_closed_in_time(hasty: Gateway) -> None:
    received = answer(hasty, LINE + b"\r\n", timeout=20)  # ends when the server closes, not when the client gives up

    assert status(received) == 200


@contextlib.contextmanager
def connections(gateway: Gateway, number: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE))
            for _ in range(number)
        ]


def is_served(gateway: Gateway) -> bool:
    return status(answer(gateway, LINE + b"connection: close\r\n\r\n")) == 200


def test_beyond_the_ceiling_a_connection_is_refused_at_once(configured: Gateway) -> None:
    with connections(configured, CEILING):
        wait_until(lambda: not is_served(configured), what="A refusal")
        received = answer(configured)  # it does not even have to ask

        assert received.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in received
        assert b"connection: close" in received
        assert b"x-request-id: " in received

    wait_until(lambda: is_served(configured), what="Room for new connections")


def test_descriptors_never_run_out_at_accepting(data_dir: Path) -> None:
    """A thousand clients, and 256 files for everything: some are refused, nothing breaks, and it is over when they go.

    The limit of the supervisor goes over to the web process that it starts next.
    """
    with start_gateway(data_dir, **WITHOUT_CELERY) as gateway:
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (256, 256))
        gateway.kill_child("gateway_project.processes.web")
        wait_until(lambda: limit_of(gateway) == 256, what="A web process with a low limit")
        gateway.wait_until_ready()

        with connections(gateway, 1_000):
            assert status(answer(gateway)) == 503
            used = cpu_seconds(gateway)
            time.sleep(1)
            assert cpu_seconds(gateway) - used < 0.9, "It spins."

        wait_until(lambda: is_served(gateway), what="Room for new connections")
        assert "Too many open files" not in gateway.log.read_text()
        gateway.stop()


def web_process(gateway: Gateway) -> Path | None:
    for pid in gateway.children():
        process = Path(f"/proc/{pid}")
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it may have ended a moment ago
            if b"gateway_project.processes.web" in process.joinpath("cmdline").read_bytes():
                return process
    return None


def limit_of(gateway: Gateway) -> int:
    process = web_process(gateway)
    return resource.prlimit(int(process.name), resource.RLIMIT_NOFILE)[0] if process else 0


def cpu_seconds(gateway: Gateway) -> float:
    process = web_process(gateway)
    assert process is not None
    fields = process.joinpath("stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("wanted", "limit", "ceiling"),
    [(10_000, 1_024, 480), (10_000, 65_536, 10_000), (100, 1_024, 100), (10_000, 256, 96), (10_000, 32, 1)],
)
def test_a_share_of_the_descriptors_is_left_to_others(wanted: int, limit: int, ceiling: int) -> None:
    assert connection_ceiling(wanted=wanted, descriptors=limit) == ceiling


def test_a_response_of_known_length_comes_in_one_piece(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE) as client:
        for _ in range(2):
            client.sendall(LINE + b"\r\n")
            head, _, body = client.recv(65_536).partition(b"\r\n\r\n")
            assert status(head) == 200
            assert f"content-length: {len(body)}".encode() in head.lower()


def test_a_head_that_was_asked_for_alone_comes_alone(gateway: Gateway) -> None:
    received = answer(gateway, b"HEAD" + LINE.removeprefix(b"GET") + b"connection: close\r\n\r\n")

    assert status(received) == 200
    assert received.endswith(b"\r\n\r\n")
