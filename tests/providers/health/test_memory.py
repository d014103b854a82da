"""What a process remembers of failures, and when it tries again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.providers.adapters.protocol import Reason, UpstreamBroken, UpstreamRefused
from apps.providers.catalogue import Target
from apps.providers.health.memory import Health
from apps.providers.health.news import News, StoredHealth
from apps.providers.health.states import Standing, State
from apps.providers.routing import Candidate
from tests.providers.test_routing import a_secret, a_target

START = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECRET = a_secret("main")
TARGET = a_target("first", secrets=(SECRET,), probe_path="off")


class NoJitter:
    def random(self) -> float:
        return 0.0


class Scene:
    """One process that calls one deployment."""

    def __init__(self, target: Target = TARGET) -> None:
        self.health, self.target, self.now = Health(rng=NoJitter()), target, START  # type: ignore[arg-type]

    @property
    def admits(self) -> bool:
        return self.health.admits(self.target, self.now)

    @property
    def standing(self) -> Standing:
        return self.health.deployment(self.target).standing

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def candidate(self) -> Candidate:
        secret = self.target.secrets[0] if self.target.secrets else None
        return Candidate(self.target, secret, self.health.turns(self.target, secret))

    def begin(self) -> Candidate:
        candidate = self.candidate()
        self.health.began(candidate)
        return candidate

    def fail(self, reason: Reason, *, times: int = 1, call: Candidate | None = None, **fields: Any) -> None:
        for _ in range(times):
            failed = call or self.begin()
            self.health.failed(failed, UpstreamRefused(reason, detail="Answered 500", **fields), now=self.now)
            self.health.ended(failed)

    def answer(self, *, times: int = 1, call: Candidate | None = None) -> None:
        for _ in range(times):
            answered = call or self.begin()
            self.health.answered(answered, now=self.now)
            self.health.ended(answered)


def opened(target: Target = TARGET) -> Scene:
    scene = Scene(target)
    scene.fail("unreachable", times=5)
    return scene


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


# Other processes


def test_what_another_process_opened_is_open_here() -> None:
    scene, other = Scene(), opened()
    [judgement] = other.health.news(other.now).judgements

    scene.health.read({judgement.key: StoredHealth(state=judgement.state, version=1)})

    assert not scene.admits


def test_what_another_process_found_first_replaces_what_is_not_written_yet() -> None:
    scene = opened()
    closed = StoredHealth(state=State(since=START), version=1)

    scene.health.read({("deployment", 1): closed})

    assert scene.standing == Standing.WELL
    assert not scene.health.news(scene.now).judgements


def test_a_row_of_before_does_not_undo_what_was_found_since() -> None:
    scene = opened()
    scene.health.read({("deployment", 1): StoredHealth(state=State(), version=0)})
    assert scene.standing == Standing.OPEN

    news = scene.health.news(scene.now)
    scene.health.written({each.key: 1 for each in news.judgements})
    scene.health.read({("deployment", 1): StoredHealth(state=State(), version=0)})

    assert scene.standing == Standing.OPEN


def test_news_that_could_not_be_written_are_kept() -> None:
    scene = opened()
    scene.health.learned(scene.candidate(), "stream_options")
    scene.health.note_doubt(scene.candidate(), "Nothing was used, it said.")
    news = scene.health.news(scene.now)
    assert not scene.health.news(scene.now)

    scene.health.kept_back(news)

    assert scene.health.news(scene.now) == news


def test_of_healthy_calls_the_only_news_is_once_a_minute_that_their_credential_was_used() -> None:
    scene, found = Scene(), []

    for _ in range(121):
        scene.answer(times=100)
        found.append(scene.health.news(scene.now))
        scene.later(1)

    assert [number for number, news in enumerate(found) if news] == [0, 60, 120]
    assert [news for news in found if news] == [News(uses=frozenset({SECRET.id}))] * 3


def test_a_use_that_could_not_be_written_is_kept() -> None:
    scene = Scene()
    scene.answer()
    news = scene.health.news(scene.now)

    scene.health.kept_back(news)

    assert scene.health.news(scene.now) == news


def test_a_failure_that_changes_nothing_is_news_every_ten_seconds() -> None:
    scene, found = Scene(), 0

    for _ in range(21):
        scene.fail("error")
        found += len(scene.health.news(scene.now).failures)
        scene.later(1)

    assert found == 3


# What a provider teaches


def test_a_parameter_that_is_not_understood_is_remembered() -> None:
    scene = Scene()
    assert "stream_options" not in scene.health.not_understood(TARGET)

    for _ in range(3):
        scene.health.learned(scene.candidate(), "stream_options")

    assert "stream_options" in scene.health.not_understood(TARGET)
    assert "max_tokens" not in scene.health.not_understood(TARGET)
    assert scene.health.news(scene.now).not_understood == {(1, "stream_options")}
    assert not scene.health.news(scene.now)


def test_doubt_is_news_once_an_hour() -> None:
    scene, found = Scene(), 0

    for _ in range(121):
        scene.health.note_doubt(scene.candidate(), "Nothing was used, it said.")
        found += len(scene.health.news(scene.now).doubts)
        scene.later(60)

    assert found == 3


# Credentials


@pytest.mark.parametrize(("named", "seconds"), [(37.0, 37), (None, 10), (0.0, 0), (4000.0, 300), (-5.0, 0)])
def test_a_credential_cools_down_as_long_as_the_provider_asks(named: float | None, seconds: int) -> None:
    scene = Scene()
    scene.fail("rate", retry_after=named)

    assert scene.health.credential(SECRET).until == START + timedelta(seconds=seconds)
    assert scene.health.accepts(SECRET, START + timedelta(seconds=seconds))
    assert scene.standing == Standing.WELL
    if seconds:
        assert not scene.health.accepts(SECRET, START + timedelta(seconds=seconds - 0.1))


@pytest.mark.parametrize("reason", ["credential", "billing"])
def test_a_refused_credential_is_out_for_good(reason: Reason) -> None:
    scene = Scene()

    scene.fail(reason)
    scene.later(1_000_000)

    assert not scene.health.accepts(SECRET, scene.now)
    assert scene.admits


def test_an_answer_proves_that_a_credential_is_accepted_again() -> None:
    scene = Scene()
    scene.fail("billing")

    scene.answer()

    assert scene.health.accepts(SECRET, scene.now)


def test_a_deployment_without_credentials_cools_down_itself() -> None:
    scene = Scene(a_target("own", secrets=()))
    scene.fail("rate")
    assert not scene.admits

    scene.later(10)

    assert scene.admits


def test_no_error_quotes_the_secret() -> None:
    scene = Scene()
    refused = UpstreamRefused("credential", detail=f"Answered 401, {SECRET.text}", status=401)

    scene.health.failed(scene.begin(), refused, now=scene.now)

    assert SECRET.text not in scene.health.credential(SECRET).error
    assert "refuses this credential" in scene.health.credential(SECRET).error
