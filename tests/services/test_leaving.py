"""Clients that leave a request to a service, at each point of it, leave nothing behind."""

import socket
import struct
from collections.abc import Iterator

import pytest

from tests.chat.world import wait_until
from tests.live import Gateway
from tests.server.raw import PATIENCE
from tests.services.endless import EndlessInstance
from tests.services.world import ServiceWorld, make_service_world

RESET = struct.pack("ii", 1, 0)
LONG = b"content-length: 10000000\r\n\r\n" + b"x" * 100_000
POINTS = {
    "before an answer": (b"GET %b/silent", b"\r\n"),
    "before the end of a body": (b"POST %b/silent", LONG),
    "within an answer": (b"GET %b/endless", b"\r\n"),
    "within an answer that came early": (b"POST %b/endless", LONG),
    "within a refusal that came early": (b"POST %b/endless-refusal", LONG),
    "within such a refusal that stops": (b"POST %b/silent-refusal", LONG),
}


@pytest.fixture(scope="module")
def instance() -> EndlessInstance:
    return EndlessInstance()


@pytest.fixture
def world(committed_db: None, gateway: Gateway, instance: EndlessInstance) -> Iterator[ServiceWorld]:
    with make_service_world(gateway, instance) as world:  # type: ignore[arg-type]  # it has an address
        yield world


def test_whoever_leaves_leaves_nothing_behind(world: ServiceWorld, instance: EndlessInstance) -> None:
    for line, rest in POINTS.values():
        for resets in (False, True):
            clients = [socket.create_connection(("127.0.0.1", world.gateway.port), PATIENCE) for _ in range(5)]
            for client in clients:
                first = line % world.prefix.encode()
                client.sendall(
                    b"%b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n%b" % (first, world.key.encode(), rest)
                )
            wait_until(lambda: instance.open == 5, what=f"The arrival of {line!r}", seconds=5)

            for client in clients:
                if resets:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.close()

            wait_until(lambda: instance.open == 0, what=f"The end of {line!r}", seconds=5)
