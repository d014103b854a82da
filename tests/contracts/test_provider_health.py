"""What every database promises of the rows in which processes share the health of providers."""

from dataclasses import replace
from datetime import timedelta

import pytest

from apps.common.health.states import WELL, Standing, State
from apps.common.models import Revision
from apps.providers.health import rows
from apps.providers.health.news import Judgement, News
from apps.providers.models import HEALTH_TOPIC, Credential, CredentialHealth, Deployment, DeploymentHealth
from tests import factories
from tests.contracts.health import DOWN, NOW, events, judge, key_of

OUT = State(standing=Standing.OUT, reason="credential", error="It refuses this credential.", since=NOW)


@pytest.fixture
def deployment(db: None) -> Deployment:
    provider = factories.make_provider(name=factories.unique("provider"))
    return factories.make_deployment(factories.make_model(name=factories.unique("model")), provider)


@pytest.fixture
def credential(deployment: Deployment) -> Credential:
    return deployment.provider.credentials.get()


def revision() -> int:
    return Revision.objects.filter(topic=HEALTH_TOPIC).values_list("number", flat=True).first() or 0


# States


def test_a_state_is_read_as_it_was_written(deployment: Deployment, credential: Credential) -> None:
    judge(deployment, DOWN)
    judge(credential, OUT)

    stored = rows.load()

    assert (stored[key_of(deployment)].state, stored[key_of(deployment)].version) == (DOWN, 1)
    assert (stored[key_of(credential)].state, stored[key_of(credential)].version) == (OUT, 1)


def test_every_change_is_announced(deployment: Deployment) -> None:
    before = revision()

    judge(deployment, DOWN)

    assert revision() == before + 1


def test_of_two_judgements_of_one_version_the_first_counts(deployment: Deployment) -> None:
    assert judge(deployment, DOWN) == 1
    before = revision()

    assert judge(deployment, replace(DOWN, times=2)) is None

    assert rows.load()[key_of(deployment)].state == DOWN
    assert revision() == before


def test_the_last_error_outlives_the_recovery(deployment: Deployment) -> None:
    judge(deployment, DOWN)
    judge(deployment, State(since=NOW), version=1)

    row = DeploymentHealth.objects.get(pk=deployment.pk)

    assert (row.standing, row.error, row.failed_at) == (Standing.WELL, DOWN.error, NOW)


def test_a_deployment_that_was_deleted_is_left_alone(deployment: Deployment) -> None:
    pk = deployment.pk
    deployment.delete()

    news = News(
        judgements=(Judgement(("deployment", pk), 0, DOWN),),
        failures={("deployment", pk): ("It broke off.", NOW), ("credential", 0): ("It broke off.", NOW)},
        not_understood=frozenset({(pk, "stream_options")}),
        doubts={pk: "Nothing was used, it said."},
    )

    assert rows.write(news, NOW) == {}
    assert not DeploymentHealth.objects.filter(pk=pk).exists()


def test_a_failure_is_shown_without_a_change_of_the_state(deployment: Deployment) -> None:
    before = revision()

    rows.write(News(failures={key_of(deployment): ("It broke off.", NOW)}), NOW)

    row = DeploymentHealth.objects.get(pk=deployment.pk)
    assert (row.state, row.failed_at, row.version) == (replace(WELL, error="It broke off."), NOW, 0)
    assert revision() == before


def test_what_a_deployment_does_not_understand_is_kept_once(deployment: Deployment) -> None:
    for what in ("stream_options", "seed", "stream_options"):
        rows.write(News(not_understood=frozenset({(deployment.pk, what)})), NOW)
    before = revision()

    rows.write(News(not_understood=frozenset({(deployment.pk, "seed")})), NOW)

    assert rows.load()[key_of(deployment)].not_understood == {"seed", "stream_options"}
    assert revision() == before


# Events


def test_a_provider_that_goes_and_comes_back_makes_two_events(deployment: Deployment) -> None:
    factories.make_deployment(deployment.model, factories.make_provider(name=factories.unique("provider")))

    judge(deployment, DOWN)
    judge(deployment, replace(DOWN, times=2), version=1)
    judge(deployment, State(since=NOW), version=2)

    assert events(deployment) == ["down", "back"]


def test_the_last_deployment_that_opens_leaves_nobody(deployment: Deployment) -> None:
    other = factories.make_deployment(deployment.model, factories.make_provider(name=factories.unique("provider")))

    judge(deployment, DOWN)
    judge(other, DOWN)

    assert events(deployment) == ["down"]
    assert events(other) == ["down", "all_open"]


def test_the_only_credential_leaves_nobody_when_it_is_out(deployment: Deployment, credential: Credential) -> None:
    judge(credential, OUT)

    assert events(deployment) == ["credential_out", "all_open"]


def test_another_credential_is_enough(deployment: Deployment, credential: Credential) -> None:
    factories.make_credential(deployment.provider, secret="another", label="another")

    judge(credential, OUT)

    assert events(deployment) == ["credential_out"]


def test_doubt_is_an_event_once_an_hour(deployment: Deployment) -> None:
    for minutes in range(0, 121, 20):
        now = NOW + timedelta(minutes=minutes)
        rows.write(News(doubts={deployment.pk: "Nothing was used, it said."}), now)

    assert events(deployment) == ["doubt"] * 3
    assert DeploymentHealth.objects.get(pk=deployment.pk).doubt == "Nothing was used, it said."


def test_events_of_long_ago_are_forgotten(deployment: Deployment) -> None:
    judge(deployment, DOWN, now=NOW - timedelta(days=91))

    judge(deployment, State(since=NOW), version=1)

    assert events(deployment) == ["back"]


# Operators


def test_an_operator_puts_a_credential_back(deployment: Deployment, credential: Credential) -> None:
    judge(credential, OUT)

    assert CredentialHealth.objects.put_back([credential.pk], now=NOW) == 1

    state = rows.load()[key_of(credential)].state
    assert (state.standing, state.error) == (Standing.WELL, "")
    assert judge(credential, OUT, version=1) is None  # by a process that has not seen it yet
    assert events(deployment)[-1] == "credential_back"


def test_a_new_secret_puts_a_credential_back(deployment: Deployment, credential: Credential) -> None:
    judge(credential, OUT)

    credential.set_secret("another")

    assert rows.load()[key_of(credential)].state.standing == Standing.WELL


def test_nothing_is_put_back_that_is_not_out(credential: Credential) -> None:
    before = revision()

    assert CredentialHealth.objects.put_back([credential.pk], now=NOW) == 0
    assert revision() == before


# Health checks


def probe(deployment: Deployment, ok: bool | None, *, after: float) -> State:
    rows.note_probe(deployment.provider_id, ok=ok, detail="No connection.", now=NOW + timedelta(seconds=after))
    return rows.load()[key_of(deployment)].state


def test_a_good_check_counts_once_the_pause_is_over(deployment: Deployment) -> None:
    judge(deployment, DOWN)

    assert probe(deployment, True, after=5).standing == Standing.OPEN
    assert probe(deployment, True, after=10).standing == Standing.PROBATION


def test_a_good_check_after_a_bad_one_ends_the_pause(deployment: Deployment) -> None:
    judge(deployment, replace(DOWN, until=NOW + timedelta(seconds=300)))
    probe(deployment, False, after=20)

    state = probe(deployment, True, after=50)

    assert (state.standing, state.until, state.trial_at, state.times) == (Standing.PROBATION, None, None, 1)


def test_a_bad_check_keeps_calls_from_trying(deployment: Deployment) -> None:
    judge(deployment, DOWN)

    state = probe(deployment, False, after=60)

    assert not state.may_be_tried(NOW + timedelta(seconds=149))
    assert state.may_be_tried(NOW + timedelta(seconds=150))


def test_a_bad_check_ends_a_probation(deployment: Deployment) -> None:
    judge(deployment, DOWN)
    probe(deployment, True, after=10)

    assert probe(deployment, False, after=40).standing == Standing.OPEN


def test_a_check_that_says_nothing_changes_nothing(deployment: Deployment) -> None:
    judge(deployment, DOWN)

    assert probe(deployment, None, after=60) == DOWN


def test_a_check_of_a_healthy_provider_writes_nothing(deployment: Deployment) -> None:
    before = revision()

    for ok in (True, False, None):
        rows.note_probe(deployment.provider_id, ok=ok, detail="", now=NOW)

    assert not DeploymentHealth.objects.filter(pk=deployment.pk).exists()
    assert revision() == before
