"""One large body, up or down: its rate, and how much the server grows meanwhile."""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.load import Server
from bench.streams import resident_kb

BLOCK = b"x" * (1 << 20)
EVERY = 0.02  # seconds between two looks at the memory


@dataclass(frozen=True, slots=True)
class Bulk:
    """Megabytes (of a million bytes) a second, and megabytes (of 2 ** 20) beyond what the process had before."""

    rate: float
    growth: float


def down(server: Server, path: str, *, size: int) -> Bulk:
    """`path` answers so many bytes."""

    def transfer(opened: socket.socket) -> None:
        opened.sendall(_head(server, "GET", path, b""))
        buffer = bytearray(1 << 20)
        left = size - _answer(opened, buffer)
        while left > 0:
            left -= _received(opened, buffer)

    return _measured(server, transfer, size=size)


def up(server: Server, path: str, *, size: int) -> Bulk:
    def transfer(opened: socket.socket) -> None:
        opened.sendall(_head(server, "POST", path, b"content-length: %d\r\n" % size))
        for _ in range(size // len(BLOCK)):
            opened.sendall(BLOCK)
        _answer(opened, bytearray(1 << 20))

    return _measured(server, transfer, size=size)


def _measured(server: Server, transfer: Callable[[socket.socket], None], *, size: int) -> Bulk:
    before = peak = resident_kb(server.pid)
    is_over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not is_over.wait(EVERY):
            peak = max(peak, resident_kb(server.pid))

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", server.port), timeout=120) as opened:
        transfer(opened)
    seconds = time.perf_counter() - began
    is_over.set()
    watching.join()
    return Bulk(rate=size / seconds / 1e6, growth=(peak - before) / 1024)


def _head(server: Server, method: str, path: str, more: bytes) -> bytes:
    return b"%s %s HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nauthorization: Bearer %s\r\n%s\r\n" % (
        *(method.encode(), path.encode(), server.key.encode(), more),
    )


def _answer(opened: socket.socket, buffer: bytearray) -> int:
    """Reads the head of the answer. Returns how much of the body came with it."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += buffer[: _received(opened, buffer)]
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"Answered {answer[:300]!r}")
    return len(answer.partition(b"\r\n\r\n")[2])


def _received(opened: socket.socket, buffer: bytearray) -> int:
    count = opened.recv_into(buffer)
    if not count:
        raise SystemExit("The connection ended too early.")
    return count
