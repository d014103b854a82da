"""Which instance gets a request."""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from apps.common.health.states import WELL, Standing, State
from apps.services.balancing import ChosenInstance, InstanceShare, Rotation, best_of_two, choose, least
from apps.services.registry import Endpoint, Entry
from tests.services.unit.values import NOW, endpoint, entry

LATER = NOW + timedelta(seconds=10)
OPEN = State(standing=Standing.OPEN, reason="unreachable", since=NOW, until=LATER, trial_at=LATER, times=1)
DUE = State(standing=Standing.OPEN, reason="unreachable", since=NOW, until=NOW, trial_at=NOW, times=1)
CHECKED = State(standing=Standing.OPEN, reason="check", since=NOW, until=NOW, trial_at=LATER, times=1)


class Known:
    """What is known of instances, as a test puts it."""

    def __init__(self, states: dict[int, State] | None = None, in_flight: dict[int, int] | None = None) -> None:
        self.states, self.flying = states or {}, in_flight or {}
        self.on_trial: set[int] = set()

    def state(self, endpoint: Endpoint) -> State:
        return self.states.get(endpoint.id, WELL)

    def in_flight(self, endpoint: Endpoint) -> int:
        return self.flying.get(endpoint.id, 0)

    def is_on_trial(self, endpoint: Endpoint) -> bool:
        return endpoint.id in self.on_trial


def chosen(service: Entry, known: Known, rotation: Rotation | None = None, **options: Any) -> ChosenInstance | None:
    given = {"tried": (), "may_be_trial": False, "now": NOW, "rng": random.Random(1), **options}
    return choose(service, known, rotation or Rotation(), **given)


def many(service: Entry, known: Known, times: int, **options: Any) -> Counter[int]:
    rotation, rng, found = Rotation(), random.Random(1), Counter[int]()
    for _ in range(times):
        choice = chosen(service, known, rotation, rng=rng, **options)
        assert choice is not None
        found[choice.endpoint.id] += 1
    return found


def of(*ids: int, **overrides: Any) -> Entry:
    return entry(*map(endpoint, ids), **overrides)


# In turn


def test_a_rotation_is_smooth() -> None:
    rotation = Rotation()
    shares = [InstanceShare(endpoint(1), 5, 0), InstanceShare(endpoint(2), 1, 0), InstanceShare(endpoint(3), 1, 0)]

    order = [rotation.next(shares).id for _ in range(7)]

    assert order == [1, 1, 2, 1, 3, 1, 1]


@pytest.mark.parametrize("weights", [(1, 1, 1), (5, 1, 1), (7, 3), (1, 2, 3, 4)])
def test_each_gets_its_weight_exactly(weights: Sequence[int]) -> None:
    service = entry(*(endpoint(id, weight=weight) for id, weight in enumerate(weights)))

    assert many(service, Known(), sum(weights) * 10) == {id: weight * 10 for id, weight in enumerate(weights)}


def test_one_that_leaves_and_returns_does_not_get_what_it_missed() -> None:
    service, known, rotation = of(1, 2), Known(), Rotation()
    for _ in range(10):
        chosen(service, known, rotation, tried={2})

    order = [choice.endpoint.id for _ in range(6) if (choice := chosen(service, known, rotation))]

    assert Counter(order) == {1: 3, 2: 3}


# By load


def test_the_least_busy_for_its_weight_is_taken() -> None:
    shares = [InstanceShare(endpoint(1), 1, 2), InstanceShare(endpoint(2), 4, 8), InstanceShare(endpoint(3), 2, 6)]

    assert least(shares, random.Random(1)).id == 2


def test_of_equals_none_is_preferred() -> None:
    found = many(of(1, 2, 3, balancing="least"), Known(), 600)

    assert min(found.values()) > 150


def test_the_better_of_two_is_never_the_busiest() -> None:
    shares = [InstanceShare(endpoint(1), 1, 9), InstanceShare(endpoint(2), 1, 1), InstanceShare(endpoint(3), 1, 2)]
    rng = random.Random(1)

    found = Counter(best_of_two(shares, rng).id for _ in range(300))

    assert found[1] == 0
    assert found[2] > found[3] > 0


# What operators say


def test_drained_and_forced_ones_get_nothing() -> None:
    service = entry(endpoint(1, is_draining=True), endpoint(2, force="down"), endpoint(3))

    assert many(service, Known(), 10) == {3: 10}


def test_without_a_usable_one_there_is_none() -> None:
    assert chosen(entry(), Known()) is None
    assert chosen(entry(endpoint(1, is_draining=True), endpoint(2, force="down")), Known()) is None


def test_one_that_is_forced_up_is_used_whatever_it_does() -> None:
    service = entry(endpoint(1, force="up"), endpoint(2))

    assert many(service, Known({1: OPEN}), 10) == {1: 5, 2: 5}


# Ejection


def test_an_open_one_is_left_out() -> None:
    assert many(of(1, 2), Known({1: OPEN}), 10) == {2: 10}


def test_no_more_than_half_are_left_out_for_what_requests_found() -> None:
    known = Known({1: OPEN, 2: State(standing=Standing.OPEN, reason="error", since=NOW, until=LATER, times=1), 3: OPEN})

    found = many(of(1, 2, 3, 4), known, 40)

    assert set(found) == {2, 4}  # the one that answers quickly, if with an error, and the one that is well


def test_what_a_health_check_found_is_certain() -> None:
    assert many(of(1, 2, 3, 4), Known({1: CHECKED, 2: CHECKED, 3: CHECKED}), 10) == {4: 10}


def test_if_none_is_well_the_least_bad_is_asked_and_that_is_said() -> None:
    slow = State(standing=Standing.OPEN, reason="too_slow", since=NOW, until=LATER, times=1)
    known = Known({1: slow, 2: OPEN, 3: slow})

    assert chosen(of(1, 2, 3), known) == ChosenInstance(endpoint(2), is_least_bad=True)
    assert chosen(of(1, 2, 3), known, tried={2}) == ChosenInstance(endpoint(1), is_least_bad=True)


def test_the_only_one_is_always_asked() -> None:
    assert chosen(of(1), Known({1: OPEN})) == ChosenInstance(endpoint(1), is_least_bad=True)


def test_a_repetition_goes_to_one_that_is_well() -> None:
    known = Known({1: OPEN, 2: OPEN})  # one of which stays in use

    assert many(of(1, 2, 3, 4, 5), known, 10, tried={3}).keys() <= {4, 5}


def test_after_all_that_are_well_an_open_one_is_tried() -> None:
    choice = chosen(of(1, 2), Known({1: OPEN}), tried={2})

    assert choice is not None
    assert choice.endpoint.id == 1


def test_one_that_cools_down_is_only_asked_if_there_is_no_other() -> None:
    cooling = State(standing=Standing.COOLING, until=LATER)

    assert many(of(1, 2), Known({1: cooling}), 10) == {2: 10}
    assert many(of(1, 2), Known({1: cooling, 2: cooling}), 10) == {1: 5, 2: 5}
    assert chosen(of(1, 2), Known({1: cooling, 2: OPEN})) == ChosenInstance(endpoint(1))
    assert many(of(1, 2), Known({1: cooling}), 10, now=LATER) == {1: 5, 2: 5}


# Trials


def test_one_whose_time_is_over_gets_one_request_as_a_trial() -> None:
    service, known = of(1, 2), Known({1: DUE})

    assert chosen(service, known, may_be_trial=True) == ChosenInstance(endpoint(1))

    known.on_trial.add(1)
    assert many(service, known, 10, may_be_trial=True) == {2: 10}


def test_a_request_that_cannot_be_repeated_is_no_trial() -> None:
    assert many(of(1, 2), Known({1: DUE}), 10) == {2: 10}


def test_unless_no_other_has_come_for_long() -> None:
    long_after = NOW + timedelta(seconds=301)

    assert chosen(of(1, 2), Known({1: DUE}), now=long_after) == ChosenInstance(endpoint(1))


def test_no_request_is_the_trial_while_a_health_check_is_to_settle_it() -> None:
    waiting = State(standing=Standing.OPEN, reason="unreachable", since=NOW, until=NOW, trial_at=LATER, times=1)

    assert chosen(of(1, 2), Known({1: waiting}), may_be_trial=True) == ChosenInstance(endpoint(2))


def test_one_on_probation_is_due_at_once() -> None:
    known = Known({1: State(standing=Standing.PROBATION, since=NOW, times=1)})

    assert chosen(of(1, 2), known, may_be_trial=True) == ChosenInstance(endpoint(1))


# Slow start


@pytest.mark.parametrize(("seconds", "share"), [(0, 0.1), (3, 0.1), (15, 0.5), (30, 1.0), (300, 1.0)])
def test_one_that_came_back_gets_more_and_more(seconds: float, share: float) -> None:
    known = Known({1: State(since=NOW - timedelta(seconds=seconds))})

    found = many(of(1, 2), known, 1100)

    assert found[1] == pytest.approx(1100 * share / (1 + share), abs=2)
