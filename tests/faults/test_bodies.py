"""F61: bodies that are wrong in every way, twenty thousand of them: no error of ours, and none holds the others up."""

import pytest

from tests.chat.mutations import mutants
from tests.chat.test_mutations import SEED, check, unlimited  # noqa: F401  # a fixture
from tests.chat.world import World

pytestmark = pytest.mark.battery
SLOWEST = 0.05


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("committed_db")
def test_twenty_thousand_wrong_bodies_give_no_5xx(unlimited: World, record_property: object) -> None:  # noqa: F811
    statuses, seconds = check(unlimited, mutants(unlimited.model.name, seed=SEED + 1, count=20_000))

    ordered = sorted(seconds)
    print(f"\n{dict(statuses)}; p50 {ordered[10_000]:.4f} s, p99 {ordered[19_800]:.4f} s, slowest {ordered[-1]:.4f} s")
    # The slowest of so many is as slow as the machine's worst moment: what the body costs is in all the others.
    assert ordered[int(len(ordered) * 0.999)] <= SLOWEST
