"""What a health check says about an instance."""

from datetime import timedelta

import pytest

from apps.common.health.states import WELL, Standing, State
from apps.services.health.checks import CheckPolicy, accepts, after_check
from tests.services.unit.values import NOW

POLICY = CheckPolicy(interval=10.0, good=2, bad=3)
LATER = NOW + timedelta(seconds=10)
BAD = "It refuses connections."


def opened(reason: str, standing: Standing = Standing.OPEN) -> State:
    return State(standing=standing, reason=reason, error="It failed.", since=NOW, until=LATER, trial_at=LATER, times=2)


def after(state: State, streak: int, error: str = "") -> State | None:
    return after_check(state, streak, POLICY, error=error, now=NOW)


@pytest.mark.parametrize("reason", ["unreachable", "closed", "check"])
def test_a_good_check_half_opens_it_at_once(reason: str) -> None:
    state = after(opened(reason), -5)

    assert state is not None
    assert (state.standing, state.until, state.times) == (Standing.PROBATION, None, 2)
    assert state.may_be_tried(NOW)


@pytest.mark.parametrize("reason", ["error", "broken", "too_slow"])
def test_but_what_it_does_not_disprove_keeps_its_time(reason: str) -> None:
    assert after(opened(reason), 7) is None

    state = after_check(opened(reason), 7, POLICY, error="", now=LATER)
    assert state is not None
    assert state.standing == Standing.PROBATION


def test_unless_checks_were_bad_meanwhile() -> None:
    state = after(opened("too_slow"), -1)

    assert state is not None
    assert state.standing == Standing.PROBATION


def test_enough_good_checks_bring_it_back() -> None:
    assert after(opened("check", Standing.PROBATION), 1) == State(since=NOW)
    assert after(opened("error", Standing.PROBATION), 1) is None  # which only a request can tell


def test_so_many_bad_checks_take_it_out() -> None:
    assert after(WELL, 0, BAD) is None
    assert after(WELL, -1, BAD) is None

    state = after(WELL, -2, BAD)
    assert state is not None
    assert (state.standing, state.reason, state.error) == (Standing.OPEN, "check", BAD)


def test_a_good_check_in_between_begins_anew() -> None:
    assert after(WELL, 1, BAD) is None


def test_a_bad_check_ends_probation() -> None:
    state = after(opened("unreachable", Standing.PROBATION), 1, BAD)

    assert state is not None
    assert state.standing == Standing.OPEN
    assert not state.may_be_tried(LATER)


def test_bad_checks_keep_requests_from_being_the_trial() -> None:
    state = after(opened("check"), -9, BAD)

    assert state is not None
    assert state.turning == opened("check").turning
    assert not state.may_be_tried(NOW + timedelta(seconds=89))
    assert state.may_be_tried(NOW + timedelta(seconds=90))


def test_what_requests_found_becomes_certain() -> None:
    state = after(opened("unreachable"), -2, BAD)

    assert state is not None
    assert (state.reason, state.times) == ("check", 2)


@pytest.mark.parametrize(
    ("statuses", "good", "bad"),
    [
        ("200-299", (200, 204, 299), (199, 300, 401, 500)),
        ("200-299,401", (200, 401), (400, 402)),
        (" 204 , 301 - 302 ", (204, 301, 302), (200, 303)),
        ("", (), (200,)),
    ],
)
def test_statuses(statuses: str, good: tuple[int, ...], bad: tuple[int, ...]) -> None:
    assert all(accepts(statuses, status) for status in good)
    assert not any(accepts(statuses, status) for status in bad)
