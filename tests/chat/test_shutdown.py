"""SIGTERM while answers stream.

Starting a gateway takes seconds, so each one that is told to stop proves several things.
"""

import contextlib
import json
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from apps.conversations.models import Call
from apps.quotas.ledger.audit import audit
from apps.quotas.models import Hold, WeeklyUsage
from tests.chat.world import PATIENCE, World, make_world, text_of, wait_until
from tests.live import WITHOUT_CELERY, Gateway, own_data_dir, start_gateway
from tests.provider_stub import ProviderStub

LONG = " ".join(f"word{number}" for number in range(40))
STREAMS = 20
# So long an answer fits into no buffer on its way to a client that does not read. The cap allows that much: the gateway
# drops what is far beyond it, all of it if it has come at once.
ENDLESS = " ".join(["x" * 10_000] * 2_000)
GENEROUS = {
    "policy": {"student_weekly_tokens": 10**9, "default_output_tokens": 10**6},
    "model": {"max_output_tokens": 10**6},
}


@contextlib.contextmanager
def a_world(
    blocker: Any, pristine: Path, parent: Path, *, grace: int, rows: dict[str, Any] | None = None, **settings: str
) -> Iterator[tuple[World, ProviderStub]]:
    """A world at a gateway of its own, which gives streams so many seconds to end. `rows` are of `create_world`."""
    with (
        blocker.unblock(),
        own_data_dir(pristine, parent) as data_dir,
        ProviderStub() as stub,
        start_gateway(data_dir, SHUTDOWN_TIMEOUT_SECONDS=str(grace), **settings) as gateway,
        make_world(gateway, stub, **rows or {}) as world,
    ):
        yield world, stub


def is_refusing(gateway: Gateway) -> bool:
    try:
        return httpx.get(f"{gateway.base_url}/health/ready", timeout=0.2).status_code != 200
    except httpx.TransportError:
        return True


# There is time for everything


@dataclass(frozen=True, slots=True)
class Patience:
    """What became of those who were there when a gateway with time to spare was told to stop."""

    streamed: str
    plain: list[str | None]
    newcomer: Exception | None
    statuses: list[str]
    exit_code: int


@pytest.fixture(scope="module")
def patience(
    django_db_setup: None, django_db_blocker: Any, pristine: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Patience]:
    parent = tmp_path_factory.mktemp("patience")
    with (
        a_world(django_db_blocker, pristine, parent, grace=60) as (world, stub),
        httpx.Client(base_url=world.gateway.base_url) as idle,
    ):
        idle.get("/health/live")
        stub.will(text=LONG, pause_after=5)
        chunks = iter(world.stream())
        read = [next(chunks)]
        stub.will(delay=1.0)
        answers: list[str | None] = []
        asking = threading.Thread(target=lambda: answers.append(world.ask().choices[0].message.content))
        asking.start()
        stub.wait_until(lambda: len(stub.journal) == 2)

        world.gateway.terminate()
        wait_until(lambda: is_refusing(world.gateway), what="The end of accepting")
        newcomer: Exception | None = None
        try:
            httpx.get(world.gateway.base_url)
        except httpx.TransportError as error:
            newcomer = error
        stub.go_on()
        read.extend(chunks)
        asking.join(30)
        world.gateway.stop()

        statuses = [call.status for call in world.calls()]
        yield Patience(text_of(read), answers, newcomer, statuses, world.gateway.process.returncode)


def test_a_live_stream_comes_to_its_end(patience: Patience) -> None:
    assert patience.streamed == LONG


def test_plain_answers_on_their_way_arrive(patience: Patience) -> None:
    assert patience.plain == ["Hello from the provider stub."]


def test_whoever_comes_while_it_drains_is_refused_at_once(patience: Patience) -> None:
    assert isinstance(patience.newcomer, httpx.ConnectError)


def test_both_are_settled_as_answered(patience: Patience) -> None:
    assert patience.statuses == ["answered", "answered"]


def test_idle_keep_alive_connections_do_not_hold_it_up(patience: Patience) -> None:
    assert patience.exit_code == 0


# There is not


@dataclass(frozen=True, slots=True)
class Haste:
    """What became of streams that could not end in time, and of a client that read nothing."""

    codes: list[str | None]
    holds: list[Hold]
    calls: list[Call]
    week: WeeklyUsage
    exit_code: int
    drift: int


@pytest.fixture(scope="module")
def haste(
    django_db_setup: None, django_db_blocker: Any, pristine: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Haste]:
    parent = tmp_path_factory.mktemp("haste")
    with a_world(django_db_blocker, pristine, parent, grace=1, rows=GENEROUS, **WITHOUT_CELERY) as (world, stub):
        stub.will(times=STREAMS, text=LONG, pause_after=20)
        streams = [iter(world.stream()) for _ in range(STREAMS)]
        for stream in streams:
            for _ in range(10):
                next(stream)
        stub.will(text=ENDLESS)
        with connection_that_takes_little(world.gateway.port) as deaf:
            deaf.sendall(a_request(world))
            read_until_it_answers(deaf)

            world.gateway.terminate()
            codes = [code_of(stream) for stream in streams]
            world.gateway.stop()

        exit_code, drift = world.gateway.process.returncode, audit().drift
        yield Haste(codes, world.holds(), world.calls(), world.settled(), exit_code, drift)


def connection_that_takes_little(port: int) -> socket.socket:
    """One behind which little fits into the kernel's buffers."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.settimeout(PATIENCE)
    deaf.connect(("127.0.0.1", port))
    return deaf


def read_until_it_answers(deaf: socket.socket) -> None:
    """A head alone may come long before there is anything to be charged."""
    read = b""
    while b"xxx" not in read:
        more = deaf.recv(1000)
        assert more, read
        read += more
    assert read.startswith(b"HTTP/1.1 200")


def a_request(world: World) -> bytes:
    body = json.dumps(world.body(stream=True)).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {world.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def code_of(stream: Iterator[Any]) -> str | None:
    with pytest.raises(openai.APIError) as caught:
        list(stream)
    return caught.value.code


def test_streams_that_take_too_long_end_with_an_error(haste: Haste) -> None:
    assert haste.codes == ["shutting_down"] * STREAMS


def test_they_are_charged_for_what_was_relayed(haste: Haste) -> None:
    charges = {hold.pk: hold.charged for hold in haste.holds}

    assert {hold.state for hold in haste.holds} == {"settled"}
    assert len(haste.calls) == STREAMS + 1
    assert all(call.charged == charges[call.pk] and call.charged > 10 for call in haste.calls)
    assert haste.drift == 0


def test_a_client_that_reads_nothing_does_not_hold_it_up(haste: Haste) -> None:
    assert haste.exit_code == 0
    assert {call.error_code for call in haste.calls} == {"shutting_down"}
    assert haste.week.used == sum(call.charged for call in haste.calls)


# And then


def test_ctrl_c_is_as_clean_and_keeps_the_data(django_db_blocker: Any, pristine: Path, tmp_path: Path) -> None:
    with a_world(django_db_blocker, pristine, tmp_path, grace=1) as (world, _):
        world.ask("one two three")
        world.gateway.process.send_signal(signal.SIGINT)
        status = world.gateway.process.wait(30)

        used = world.settled().used

    assert status == 0
    assert used == 8
