"""Bodies that nobody wants are not received, and clients that go leave nothing behind."""

import socket

import pytest

from tests.chat.world import wait_until
from tests.live import Gateway
from tests.server.raw import PATIENCE, answer, status

HUGE = 300 * 2**20
# What fits into the buffers of both sockets, and into one read; far from what was announced.
BUFFERED = 32 * 2**20
CHUNK = b"100000\r\n" + b" " * 2**20 + b"\r\n"

HEADS = {
    "of a length that is told": f"Content-Length: {HUGE}\r\n",
    "of a padded length": f"Content-Length: {HUGE}  \r\n",
    "of a length that Connection hides": f"Content-Length: {HUGE}\r\nConnection: content-length\r\n",
    "in chunks": "Transfer-Encoding: chunked\r\n",
    "after asking whether to send it": f"Expect: 100-continue\r\nContent-Length: {HUGE}\r\n",
}
PATHS = {"/v1/chat/completions": 401, "/v1/nothing": 401, "/admin/login/": 413}


def push(client: socket.socket, piece: bytes, size: int) -> int:
    """How much of `size` the other side takes before it hangs up."""
    sent = 0
    try:
        while sent < size:
            sent += client.send(piece)
    except (ConnectionResetError, BrokenPipeError):
        pass
    return sent


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
def test_a_huge_body_without_a_key_is_not_received(gateway: Gateway, path: str, head: str) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE) as client:
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())

        taken = push(client, CHUNK, HUGE)

    assert taken < BUFFERED


def test_the_refusal_of_a_huge_body_arrives_before_it_is_sent(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE) as client:
        client.sendall(f"POST /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: {HUGE}\r\n\r\n".encode())
        received = b"".join(iter(lambda: client.recv(65536), b""))

    assert status(received) == 401
    assert b"connection: close" in received


LEAVING = {
    "before its headers are whole": b"POST /v1/models HTTP/1.1\r\nHost: loc",
    "before its body is whole": b"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc",
    "at once": b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "after two requests in a row": b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2,
}


@pytest.mark.parametrize("sent", LEAVING.values(), ids=LEAVING.keys())
def test_a_client_that_leaves_leaves_no_trace(gateway: Gateway, sent: bytes) -> None:
    """The fixture proves in the end that nothing was written to the log."""
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE) as client:
            client.sendall(sent)

    wait_until(lambda: not open_connections(gateway), what="The end of all connections")
    assert status(answer(gateway, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")) == 200


def open_connections(gateway: Gateway) -> int:
    """Connections on the gateway's side that wait to be closed by it, for the client has gone."""
    address = f"0100007F:{gateway.port:04X}"
    with open("/proc/net/tcp") as table:
        return sum(line.split()[1] == address and line.split()[3] == "08" for line in table)
