"""The bounds of a request, asked of a running server byte by byte."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import Gateway, start_gateway

LINE = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n"


def answer(gateway: Gateway, *pieces: bytes, pause: float = 0.0, timeout: float = 5.0) -> bytes:
    """What comes back until the server closes the connection; nothing if it closes it without a word."""
    received = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=timeout) as client:
        try:
            for piece in pieces:
                client.sendall(piece)
                time.sleep(pause)
            while part := client.recv(65536):
                received += part
        except (ConnectionResetError, BrokenPipeError):
            pass
    return received


def status(received: bytes) -> int:
    return int(received.split(b" ", 2)[1]) if received else 0


@pytest.fixture(scope="module")
def hasty(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that waits for half a second only."""
    with start_gateway(pristine, RECEIPT_TIMEOUT="0.5") as gateway:
        yield gateway
        gateway.stop()


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
    assert status(answer(gateway, LINE + b"x: y\r\n" * 101 + b"\r\n")) == 431


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
