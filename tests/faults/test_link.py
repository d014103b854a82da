"""The chaos link does what it is told, and nothing else."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.faults.link import Link

PATIENCE = 10.0


class Echo:
    """A server that sends back what it gets, in lines, and says goodbye at the end."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> "Echo":
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(PATIENCE)

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.upstream: tuple[str, int] = server.sockets[0].getsockname()
        self._ready.set()
        await self._stopping.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while block := await reader.read(65536):
                writer.write(block)
                await writer.drain()
            writer.write(b"bye")
            writer.close()
        except OSError:
            pass
        finally:
            writer.transport.abort() if not writer.is_closing() else None


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as echo:
        yield echo


@pytest.fixture
def link(echo: Echo) -> Iterator[Link]:
    with Link(echo.upstream) as link:
        yield link


def connect(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=PATIENCE)


def read(client: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size and (part := client.recv(size - len(received))):
        received += part
    return received


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_it_passes_everything_on_and_counts_it(link: Link) -> None:
    content = bytes(range(256)) * 4_000

    with connect(link) as client:
        sending = threading.Thread(target=client.sendall, args=(content,))
        sending.start()
        received = read(client, len(content))
        sending.join()

    assert received == content
    wait_until(lambda: link.connections == 0)
    assert (link.counts["accepted"], link.counts["bytes_up"]) == (1, len(content))
    assert link.counts["bytes_down"] in (len(content), len(content) + len(b"bye"))


def test_an_end_is_passed_on_and_the_other_direction_goes_on(link: Link) -> None:
    with connect(link) as client:
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)

        assert read(client, 100) == b"hellobye"
    wait_until(lambda: link.connections == 0)


def test_it_refuses_new_connections_and_spares_open_ones(link: Link) -> None:
    with connect(link) as client:
        client.sendall(b"a")
        read(client, 1)
        link.will(refuse=True)

        with pytest.raises(ConnectionResetError), connect(link) as refused:
            refused.recv(1)
        client.sendall(b"b")
        assert read(client, 1) == b"b"

    assert link.counts["refused"] == 1


def test_it_resets_what_is_open(link: Link) -> None:
    with connect(link) as client:
        client.sendall(b"a")
        read(client, 1)

        link.reset_all()

        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_it_holds_everything_back_until_it_is_told_to_go_on(link: Link) -> None:
    with connect(link) as client:
        client.sendall(b"a")
        read(client, 1)
        link.will(hang=True)
        client.sendall(b"b")
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)

        link.will()

        client.settimeout(PATIENCE)
        assert read(client, 1) == b"b"


@pytest.mark.parametrize("after", [1, 100_000])
def test_it_cuts_after_so_many_bytes_down(link: Link, after: int) -> None:
    link.will(cut_down=after)
    received = b""

    with connect(link) as client, pytest.raises(ConnectionResetError):
        client.sendall(b"x" * (after + 50_000))
        while part := client.recv(65536):
            received += part

    assert len(received) == link.counts["bytes_down"] == after
    assert link.counts["cut"] == 1


def test_it_cuts_after_so_many_bytes_up(link: Link) -> None:
    link.will(cut_up=5)

    with connect(link) as client, pytest.raises(ConnectionResetError):
        client.sendall(b"0123456789")
        read(client, 10)

    assert link.counts["bytes_up"] == 5


def test_it_delays_each_block(link: Link) -> None:
    link.will(delay=0.1, jitter=0.05)
    started = time.monotonic()

    with connect(link) as client:
        client.sendall(b"a")
        read(client, 1)

    assert time.monotonic() - started >= 0.1  # there and back, at least half of the delay each


def test_an_upstream_that_is_away_ends_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    with Link(address) as link:
        # The reset may come before the connection has been made, or after it.
        with pytest.raises(ConnectionResetError), connect(link) as client:
            client.recv(1)

        assert link.counts["unreachable"] == 1
