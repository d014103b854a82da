"""No single request, whatever is in it, keeps another student waiting."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.chat.nasty import WORST, Nasty, extra_wait
from tests.chat.world import World, make_world
from tests.live import Gateway
from tests.provider_stub import ProviderStub

MOST_EXTRA = 0.1  # seconds


@pytest.fixture(scope="module")
def two(django_db_setup: None, django_db_blocker: Any, gateway: Gateway) -> Iterator[tuple[World, World]]:
    """Somebody whose course has a rule, and somebody else."""
    with (
        django_db_blocker.unblock(),
        ProviderStub() as stub,
        make_world(gateway, stub, rules=[{}]) as nasty,
        make_world(gateway, stub) as other,
    ):
        yield nasty, other


@pytest.mark.usefixtures("committed_db")
@pytest.mark.parametrize("nasty", WORST.values(), ids=WORST.keys())
def test_nobody_waits_for_it(two: tuple[World, World], nasty: Nasty) -> None:
    extra, status = extra_wait(*two, nasty)

    assert status in nasty.statuses
    assert extra < MOST_EXTRA
