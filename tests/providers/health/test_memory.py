"""What a process remembers of failures, and when it tries again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from apps.common.health.states import Standing
from apps.providers.adapters.protocol import Reason, UpstreamBroken
from apps.providers.health.news import StoredHealth
from tests.providers.health.scene import START, TARGET, Scene, opened

# Opening


@pytest.mark.parametrize("reason", ["unreachable", "too_slow"])
def test_five_in_a_row_that_were_not_heard_open_a_deployment(reason: Reason) -> None:
    scene = Scene()
    scene.fail(reason, times=4)
    assert scene.standing == Standing.WELL

    scene.fail(reason)

    assert scene.standing == Standing.OPEN
    assert not scene.admits


def test_an_answer_in_between_begins_the_row_anew() -> None:
    scene = Scene()

    for _ in range(3):
        scene.fail("unreachable", times=4)
        scene.answer()

    assert scene.standing == Standing.WELL


@pytest.mark.parametrize("reason", ["error", "empty", "broken"])
def test_half_of_twenty_requests_open_a_deployment(reason: Reason) -> None:
    scene = Scene()
    scene.answer(times=10)
    scene.fail(reason, times=9)
    assert scene.standing == Standing.WELL

    scene.fail(reason)

    assert scene.standing == Standing.OPEN


def test_failures_of_long_ago_do_not_count() -> None:
    scene = Scene()
    scene.fail("error", times=19)
    scene.later(31)

    scene.fail("error", times=19)

    assert scene.standing == Standing.WELL


def test_an_answer_that_broke_off_after_it_began_counts_as_both() -> None:
    scene = Scene()

    for _ in range(10):
        call = scene.begin()
        scene.health.answered(call, now=scene.now)
        scene.health.failed(call, UpstreamBroken("The connection was closed."), now=scene.now)
        scene.health.ended(call)

    assert scene.standing == Standing.OPEN


def test_a_model_that_is_missing_opens_its_deployment_at_once() -> None:
    scene = Scene()

    scene.fail("missing")

    assert scene.standing == Standing.OPEN
    assert "does not know this model" in scene.health.deployment(TARGET).error


@pytest.mark.parametrize("reason", ["request", "added", "too_long", "too_large", "busy", "full"])
def test_what_is_not_the_provider_s_fault_does_not_count(reason: Reason) -> None:
    scene = Scene()

    scene.fail(reason, times=100, status=400)

    assert scene.standing == Standing.WELL


def test_a_call_whose_client_left_says_nothing() -> None:
    scene = Scene()

    for _ in range(100):
        scene.health.ended(scene.begin())

    assert scene.standing == Standing.WELL
    assert scene.health.in_flight(TARGET) == 0


# Trying again


def test_each_failed_trial_doubles_the_pause_up_to_five_minutes() -> None:
    scene, pauses = opened(), []

    for _ in range(8):
        until = scene.health.deployment(TARGET).until
        assert until is not None
        pauses.append((until - scene.now).total_seconds())
        scene.now = until
        assert scene.admits
        scene.fail("error")

    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300]


def test_one_call_at_a_time_is_the_trial() -> None:
    scene = opened()
    scene.later(10)

    trial = scene.begin()
    assert not scene.admits
    scene.health.ended(trial)  # its client left: another call may try

    assert scene.admits


def test_a_good_trial_closes_and_forgets() -> None:
    scene = opened()
    scene.later(10)

    scene.answer()

    assert scene.standing == Standing.WELL
    scene.fail("unreachable", times=4)
    assert scene.standing == Standing.WELL
    scene.fail("unreachable")
    until = scene.health.deployment(TARGET).until
    assert until == scene.now + timedelta(seconds=10)


def test_calls_that_began_before_it_opened_say_nothing_of_the_trial() -> None:
    scene = Scene()
    early = [scene.begin() for _ in range(3)]
    scene.fail("too_slow", times=5)
    scene.later(10)

    scene.fail("too_slow", call=early[0])
    assert scene.admits
    scene.answer(call=early[1])
    assert scene.standing == Standing.OPEN


def test_failures_of_calls_that_had_no_choice_leave_the_pause_as_it_is() -> None:
    scene = opened()

    scene.fail("unreachable", times=20)

    assert scene.health.deployment(TARGET).until == START + timedelta(seconds=10)


# With health checks

CHECKED = replace(TARGET, probe_path="")


def row(scene: Scene, **changes: Any) -> StoredHealth:
    """The row of the deployment, after somebody else has changed it."""
    return StoredHealth(state=replace(scene.health.deployment(CHECKED), **changes), version=7)


def test_a_call_is_no_trial_while_a_health_check_may_settle_it() -> None:
    scene = opened(CHECKED)
    scene.later(69)
    assert not scene.admits

    scene.later(1)

    assert scene.admits


def test_after_a_good_check_one_call_at_a_time_is_let_through_until_one_succeeds() -> None:
    scene = opened(CHECKED)
    scene.later(11)
    scene.health.read({("deployment", 1): row(scene, standing=Standing.PROBATION, until=None, since=scene.now)})

    trial = scene.begin()
    assert not scene.admits
    scene.answer(call=trial)

    assert scene.standing == Standing.WELL
    assert scene.admits


def test_one_failure_on_probation_opens_it_again_for_twice_as_long() -> None:
    scene = opened(CHECKED)
    scene.later(11)
    scene.health.read({("deployment", 1): row(scene, standing=Standing.PROBATION, until=None, since=scene.now)})

    scene.fail("error")

    state = scene.health.deployment(CHECKED)
    assert (state.standing, state.until, state.times) == (Standing.OPEN, scene.now + timedelta(seconds=20), 2)
