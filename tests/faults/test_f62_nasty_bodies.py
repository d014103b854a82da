"""F62: bodies that are made to keep the server busy, of every kind: another student's requests hardly take longer."""

from collections.abc import Callable

import pytest

from tests.chat.nasty import OTHERS, WORST, extra_wait
from tests.chat.world import make_world
from tests.faults.footprint import Footprint
from tests.live import Gateway
from tests.provider_stub import ProviderStub

pytestmark = pytest.mark.battery
GOAL = 0.1  # seconds
MEMORY = 300 * 2**20  # a few times the largest body


@pytest.mark.timeout(1_800)
@pytest.mark.usefixtures("committed_db")
def test_no_body_keeps_others_waiting(gateway: Gateway, stub: ProviderStub, report: Callable[[str], None]) -> None:
    extras, before = {}, Footprint.of(gateway).memory
    with make_world(gateway, stub, rules=[{}]) as world, make_world(gateway, stub) as other:
        for name, nasty in {**WORST, **OTHERS}.items():
            extras[name], status = extra_wait(world, other, nasty)
            assert status in nasty.statuses, name

    grown = Footprint.of(gateway).memory - before
    worst = max(extras, key=extras.__getitem__)
    report(
        f"F62 nasty bodies: {len(extras)} kinds; others waited at most {extras[worst] * 1000:.0f} ms longer, beside "
        f"'{worst}' (goal {GOAL * 1000:.0f}); memory grew by {grown / 2**20:.0f} MB"
    )
    assert extras[worst] < GOAL
    assert grown < MEMORY
