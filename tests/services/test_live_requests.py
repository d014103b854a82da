"""Requests in flight: they end with the access of their caller and with the process, and with nothing else."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.utils import timezone

from apps.accounts.models import ApiKey, Membership
from tests.chat.world import wait_until
from tests.live import WITHOUT_CELERY, own_data_dir, start_gateway
from tests.services.instances import UsersInstance
from tests.services.world import ServiceWorld, make_service_world

SECONDS = 5.0
PIECE = 100


@dataclass
class Reader:
    """A client that reads an answer in a thread of its own."""

    world: ServiceWorld
    received: int = 0
    status: int = 0
    json: Any = None
    error: Exception | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        headers = {"authorization": f"Bearer {self.world.key}"}
        try:
            with (
                httpx.Client(verify=False, timeout=60.0, trust_env=False) as client,
                client.stream("GET", self.world.url(), headers=headers) as answer,
            ):
                self.status = answer.status_code
                if self.status != 200:
                    self.json = httpx.Response(200, content=answer.read()).json()
                    return
                for piece in answer.iter_raw():
                    self.received += len(piece)
        except httpx.TransportError as error:
            self.error = error

    def has_begun(self) -> bool:
        return self.received >= PIECE

    def join(self, seconds: float = SECONDS) -> "Reader":
        self.thread.join(seconds)
        assert not self.thread.is_alive()
        return self


def trickling(world: ServiceWorld, users: UsersInstance, *, length: int = 10**6, pause: float = 0.02) -> Reader:
    """One to whom an answer has begun to come."""
    users.will("big", bytes=length, piece=PIECE, seconds=pause)
    reader = Reader(world)
    wait_until(reader.has_begun, what="The answer")
    return reader


def waiting(world: ServiceWorld, users: UsersInstance) -> Reader:
    """One whose request has arrived at an instance, which says nothing."""
    users.will("hang")
    before, reader = users.open, Reader(world)
    wait_until(lambda: users.open == before + 1, what="The request")
    return reader


def revoke(world: ServiceWorld) -> None:
    ApiKey.objects.filter(membership=world.student).revoke(now=timezone.now())


def deactivate(world: ServiceWorld) -> None:
    member = Membership.objects.get(pk=world.student.pk)
    member.is_active = False
    member.save()


@pytest.mark.parametrize("end", [revoke, deactivate], ids=["key", "member"])
def test_an_answer_is_cut_when_its_caller_loses_access(
    service_world: ServiceWorld, users: UsersInstance, end: Callable[[ServiceWorld], None]
) -> None:
    reader = trickling(service_world, users)

    end(service_world)

    assert isinstance(reader.join().error, httpx.RemoteProtocolError)


def test_a_request_that_waits_is_refused_when_its_caller_loses_access(
    service_world: ServiceWorld, users: UsersInstance
) -> None:
    reader = waiting(service_world, users)

    revoke(service_world)

    assert (reader.join().status, reader.json["code"]) == (403, "access_ended")
    wait_until(lambda: users.open == 0, what="The end at the instance")


def test_an_answer_goes_on_when_its_service_changes_and_is_deleted(
    service_world: ServiceWorld, users: UsersInstance
) -> None:
    reader = trickling(service_world, users, length=8000, pause=0.05)

    service_world.change(callers=["service"])
    service_world.service.instances.all().delete()
    wait_until(lambda: service_world.get().status_code in (403, 503), what="The change")
    service_world.service.delete()
    wait_until(lambda: service_world.get().status_code == 404, what="The end of the service")

    assert (reader.join(60).received, reader.error) == (8000, None)


# The process stops


@contextlib.contextmanager
def stopping_world(parent: Path, pristine: Path, users: UsersInstance, *, grace: int) -> Iterator[ServiceWorld]:
    with (
        own_data_dir(pristine, parent) as data_dir,
        start_gateway(data_dir, SHUTDOWN_TIMEOUT_SECONDS=str(grace), **WITHOUT_CELERY) as gateway,
        make_service_world(gateway, users) as world,
    ):
        yield world


def test_at_the_end_of_the_process_short_answers_end_and_long_ones_are_cut(
    committed_db: None, pristine: Path, tmp_path: Path, users: UsersInstance
) -> None:
    with stopping_world(tmp_path, pristine, users, grace=3) as world:
        long, silent = trickling(world, users), waiting(world, users)
        short = trickling(world, users, length=4000, pause=0.04)

        world.gateway.process.send_signal(signal.SIGTERM)

        for reader in (short, long, silent):
            reader.join(30)
        assert world.gateway.process.wait(30) == 0
    assert (short.received, short.error) == (4000, None)
    assert isinstance(long.error, httpx.RemoteProtocolError)
    assert (silent.status, silent.json["code"]) == (503, "shutting_down")
