"""Another process keeps the database locked for a while."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from tests.chat.world import World, text_of
from tests.provider_stub import ProviderStub

LONG = 6.0  # seconds that nothing takes on a busy machine, unless it waits for the lock


@contextmanager
def locked(seconds: float) -> Iterator[None]:
    """Lock the database while the block goes on, but no longer than this."""
    other = sqlite3.connect(Path(connection.settings_dict["NAME"]), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    unlock = threading.Timer(seconds, lambda: other.execute("ROLLBACK"))
    unlock.start()
    try:
        yield
    finally:
        unlock.cancel()
        unlock.join()
        if other.in_transaction:
            other.execute("ROLLBACK")
        other.close()


def test_a_call_waits_for_it_and_loses_nothing(world: World) -> None:
    started = time.monotonic()

    with locked(1.5):
        answer = world.ask("one two three")

    assert answer.choices[0].message.content
    assert time.monotonic() - started >= 1.5
    assert (world.usage()["used"], world.usage()["held"]) == (8, 0)


def test_an_answer_that_streams_is_not_held_up_before_its_end(world: World, stub: ProviderStub) -> None:
    stub.will(pause_after=1)
    chunks = iter(world.stream())
    read = [next(chunks), next(chunks)]

    with locked(LONG):
        stub.go_on()
        started = time.monotonic()
        read.extend(next(chunks) for _ in range(4))
        seconds = time.monotonic() - started
    read.extend(chunks)

    assert text_of(read) == "Hello from the provider stub."
    assert seconds < LONG - 1
    assert world.usage()["held"] == 0


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/models", "/v1/usage", "/v1/usage/requests", "/v1/rules/appeals"),
        *("/health/live", "/health/ready"),
    ],
)
def test_what_needs_no_writing_goes_on(world: World, path: str) -> None:
    with locked(LONG):
        started = time.monotonic()
        status = world.get(path).status_code
        seconds = time.monotonic() - started

    assert status == 200
    assert seconds < LONG - 1


def test_a_refusal_tells_at_once_what_is_left(world: World) -> None:
    with locked(LONG):
        started = time.monotonic()
        response = world.post({"model": world.model.name})
        seconds = time.monotonic() - started

    assert response.status_code == 400
    assert "x-quota-remaining-tokens" in response.headers
    assert seconds < LONG - 1


def test_what_is_told_includes_the_call_that_has_just_ended(world: World) -> None:
    for number in range(1, 6):
        world.ask("one two three")

        assert (world.usage()["used"], world.usage()["held"]) == (8 * number, 0)
