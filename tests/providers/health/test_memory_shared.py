"""What processes learn from one another, from providers, and about credentials."""

from datetime import timedelta

import pytest

from apps.common.health.states import Standing, State
from apps.providers.adapters.protocol import Reason, UpstreamRefused
from apps.providers.health.news import News, StoredHealth
from tests.providers.health.scene import SECRET, START, TARGET, Scene, opened
from tests.providers.test_routing import a_target

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
