"""F61: bodies that are wrong in every way, twenty thousand of them: no error of ours, and none holds the others up."""

from collections.abc import Callable

import pytest

from tests.chat.mutations import mutants
from tests.chat.test_mutations import SEED, UNLIMITED, check, time_of_good
from tests.chat.world import make_world
from tests.faults.load import percentile
from tests.live import Gateway
from tests.provider_stub import ProviderStub

pytestmark = pytest.mark.battery
COUNT, SLOWEST = 20_000, 0.05


@pytest.mark.timeout(1_800)
@pytest.mark.usefixtures("committed_db")
def test_twenty_thousand_wrong_bodies_give_no_5xx(
    gateway: Gateway, stub: ProviderStub, report: Callable[[str], None]
) -> None:
    seconds, good = [], []
    with make_world(gateway, stub, policy=UNLIMITED) as world:
        several = list(mutants(world.model.name, seed=SEED + 1, count=COUNT))
        for start in range(0, COUNT, 10):
            seconds += check(world, several[start : start + 10])[1]
            good.append(time_of_good(world))

    worst, worst_good = percentile(seconds, 0.999), percentile(good, 0.999)
    report(
        f"F61 bodies: {COUNT} wrong ones, no 5xx; p50 {percentile(seconds, 0.5) * 1000:.1f} ms, p99.9 "
        f"{worst * 1000:.0f} ms beside {worst_good * 1000:.0f} ms of good ones in the same minute (goal 50)"
    )
    # A refusal says what is left of the week, so it waits like everybody else while the disk is being flushed. What the
    # bodies themselves cost is what they take beyond the good ones.
    assert worst <= max(SLOWEST, worst_good)
