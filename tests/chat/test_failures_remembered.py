"""A provider that failed is left alone for a while: in this process, in the others, and after a restart."""

from collections.abc import Iterator
from typing import Any

import pytest

from apps.providers.models import CredentialHealth, DeploymentHealth, ProviderEvent
from tests.chat.pool import Ready, WorldPool
from tests.chat.processes import both, only, post, wait_until_both_know
from tests.chat.world import World, create_world, wait_until
from tests.live import Gateway, models_on
from tests.provider_stub import ProviderStub

# 30 seconds of a first provider that says nothing would be long to wait for. The second has its time.
HASTY = {"timeout_seconds": 0.2}


@pytest.fixture(scope="module")
def pool(gateway: Gateway) -> Iterator[WorldPool]:
    with WorldPool(gateway, providers=2, first=HASTY, batch=4) as pool:
        yield pool


def ask(world: World, *, times: int) -> None:
    assert [world.post().status_code for _ in range(times)] == [200] * times


def told(world: World) -> list[str]:
    return list(ProviderEvent.objects.filter(provider=world.providers[0]).order_by("id").values_list("kind", flat=True))


def test_after_five_timeouts_a_provider_is_not_asked_again(ready: Ready) -> None:
    world, (hangs, _) = ready.world, ready.stubs
    hangs.always(hang_before_first_byte=True)

    ask(world, times=9)

    assert len(hangs.journal) == 5
    assert wait_until(lambda: told(world), what="The event") == ["down"]
    row = DeploymentHealth.objects.get(deployment__provider=world.providers[0])
    assert (row.standing, row.reason, row.times) == ("open", "too_slow", 1)
    assert row.error.startswith("It did not begin to answer in time.")


@pytest.mark.parametrize(
    ("behaviour", "standing", "events"),
    [
        ({"status": 401}, "out", ["credential_out"]),
        ({"status": 429, "headers": {"retry-after": "60"}}, "cooling", []),
    ],
    ids=["refused", "rate limit"],
)
def test_a_credential_that_does_not_help_is_not_tried_again(
    ready: Ready, behaviour: dict[str, Any], standing: str, events: list[str]
) -> None:
    world, (first, _) = ready.world, ready.stubs
    first.always(**behaviour)

    ask(world, times=4)

    credentials = CredentialHealth.objects.filter(credential__provider=world.providers[0])
    row = wait_until(credentials.first, what="The row")
    assert (row.standing, len(first.journal)) == (standing, 1)
    assert told(world) == events


def test_a_healthy_call_writes_nothing(ready: Ready) -> None:
    ask(ready.world, times=3)

    assert not DeploymentHealth.objects.filter(deployment__model=ready.world.model).exists()


@pytest.mark.timeout(180)
def test_what_one_process_found_counts_in_the_other(
    two_processes: Gateway, committed_db: None, plain_stub: ProviderStub
) -> None:
    with models_on(two_processes.data_dir), ProviderStub() as hangs:
        hangs.always(hang_before_first_byte=True)
        patient = {"timeout_seconds": 0.6}  # longer than it takes the other process to look
        with create_world(two_processes, hangs, plain_stub, first=patient) as world:
            wait_until_both_know(world)
            one, other = both(two_processes)
            with only(one, two_processes):
                ask_of(world, times=5)
                wait_until(lambda: told(world), what="The event")
            met = len(hangs.journal)

            with only(other, two_processes):
                wait_until(lambda: passes_by(world, hangs), what="The other's notice")
                ask_of(world, times=5)

            assert met == 5
            assert len(hangs.journal) - met < 5  # so it did not find out by itself


def ask_of(world: World, *, times: int) -> None:
    assert [post(world).status_code for _ in range(times)] == [200] * times


def passes_by(world: World, stub: ProviderStub) -> bool:
    """Whether the next call does not meet this provider."""
    met = len(stub.journal)
    ask_of(world, times=1)
    return len(stub.journal) == met
