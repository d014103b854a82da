"""Rounds of health checks against a real server: who is asked, when, and what is kept."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.common.owners import only_one
from apps.providers.models import Credential, DeploymentHealth, LastProbe, Provider
from apps.providers.probes import rounds
from apps.providers.probes.asking import Probe
from apps.providers.probes.findings import Finding
from apps.providers.probes.subjects import probed, subjects_of
from apps.providers.tasks import probe_providers
from tests import factories
from tests.provider_stub import ProviderStub

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def stub() -> Iterator[ProviderStub]:
    with ProviderStub() as stub:
        yield stub


@pytest.fixture(autouse=True)
def first_round() -> None:
    rounds._seen.clear()  # other tests may have seen this very revision


@pytest.fixture
def provider(db: None, stub: ProviderStub) -> Provider:
    return factories.make_provider(
        name="campus", base_url=stub.base_url, allow_private_network=True, probe_path="", secret="sk-right"
    )


def look(owners: Path, *, after: float = 0) -> int:
    return rounds.look(owners=owners, clock=lambda: NOW + timedelta(seconds=after))


def test_a_round_asks_each_credential_and_keeps_what_it_found(
    provider: Provider, stub: ProviderStub, tmp_path: Path
) -> None:
    factories.make_credential(provider, label="second", secret="sk-other")

    assert look(tmp_path) == 2

    keys = {check.headers["authorization"] for check in stub.checks}
    assert keys == {"Bearer sk-right", "Bearer sk-other"}
    first = LastProbe.objects.exclude(credential__label="second").get()
    assert (first.provider, first.at, first.trouble, first.model_count) == (provider, NOW, "", 2)
    assert first.model_names == ["stub-model", "stub-large-2026-01-31"]
    assert first.latency_ms is not None


def test_a_provider_without_a_credential_is_asked_without_a_key(
    provider: Provider, stub: ProviderStub, tmp_path: Path
) -> None:
    provider.credentials.all().delete()

    assert look(tmp_path) == 1
    assert "authorization" not in stub.checks[-1].headers


def test_the_next_check_comes_after_thirty_seconds(provider: Provider, tmp_path: Path) -> None:
    asked = [look(tmp_path, after=seconds) for seconds in (0, 1, 29, 30, 31)]

    assert asked == [1, 0, 0, 1, 0]
    assert LastProbe.objects.get().at == NOW + timedelta(seconds=30)


CHANGES: dict[str, Any] = {
    "a new secret": lambda provider: provider.credentials.get().set_secret("sk-new"),
    "a new address": lambda provider: Provider.objects.filter(pk=provider.pk).update(base_url="http://127.0.0.1:1/v1"),
    "a new header": lambda provider: Provider.objects.filter(pk=provider.pk).update(extra_headers={"x-team": "stoa"}),
    "a new deployment": lambda provider: factories.make_model(provider),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_was_changed_is_asked_at_once(provider: Provider, tmp_path: Path, change: Any) -> None:
    look(tmp_path)

    change(provider)

    assert [look(tmp_path, after=1), look(tmp_path, after=2)] == [1, 0]


def test_another_change_asks_nobody_again(provider: Provider, tmp_path: Path) -> None:
    look(tmp_path)

    Provider.objects.filter(pk=provider.pk).update(max_connections=7)

    assert look(tmp_path, after=1) == 0


@pytest.mark.parametrize("change", [{"probe_path": "off"}, {"is_enabled": False}, {"adapter": "echo"}])
def test_who_is_not_to_be_asked_is_forgotten(
    provider: Provider, stub: ProviderStub, tmp_path: Path, change: dict[str, Any]
) -> None:
    look(tmp_path)
    Provider.objects.filter(pk=provider.pk).update(**change)

    assert look(tmp_path, after=60) == 0
    assert (len(stub.checks), LastProbe.objects.count()) == (1, 0)


def test_a_wrong_key_is_told_in_a_sentence(provider: Provider, stub: ProviderStub, tmp_path: Path) -> None:
    stub.lists(status=401, body=None)

    look(tmp_path)

    found = LastProbe.objects.get()
    assert (found.trouble, found.sentence) == (
        "credential",
        "The provider does not accept the key (401). Enter the secret again.",
    )


def test_a_secret_that_cannot_be_decrypted_is_not_sent(provider: Provider, stub: ProviderStub, tmp_path: Path) -> None:
    Credential.objects.update(ciphertext="v1:nothing")

    look(tmp_path)

    assert "does not open with the keys" in LastProbe.objects.get().sentence
    assert stub.checks == []


def test_a_secret_that_cannot_be_a_key_is_not_sent(provider: Provider, stub: ProviderStub, tmp_path: Path) -> None:
    provider.credentials.get().set_secret("sk–with-a-dash-of-a-word-processor")

    look(tmp_path)

    assert "holds a space or a character that no provider's key contains" in LastProbe.objects.get().sentence
    assert stub.checks == []


def test_rounds_do_not_overlap(provider: Provider, stub: ProviderStub, tmp_path: Path) -> None:
    with only_one(tmp_path / "probes.place"):
        assert look(tmp_path) == 0

    assert stub.checks == []


def test_what_was_deleted_meanwhile_is_not_kept(provider: Provider, stub: ProviderStub, tmp_path: Path) -> None:
    gone = factories.make_credential(provider, label="gone", secret="sk-gone")
    subjects = subjects_of(probed())
    gone.delete()

    rounds.keep(subjects, [Probe(finding=Finding(sentence="Works."))] * 2, now=NOW)

    assert LastProbe.objects.get().credential != gone


# What a check says of deployments that are open


@pytest.fixture
def open_one(provider: Provider) -> DeploymentHealth:
    deployment = factories.make_model(provider).deployments.get()
    return DeploymentHealth.objects.create(deployment=deployment, standing="open", until=NOW, times=1)


VERDICTS: list[Any] = [
    pytest.param({}, "probation", False, id="well"),
    pytest.param({"status": 401, "body": None}, "probation", False, id="wrong key"),
    pytest.param({"status": 503, "body": None}, "open", True, id="down"),
]


@pytest.mark.parametrize(("answer", "standing", "is_put_off"), VERDICTS)
def test_a_check_is_the_trial_of_a_deployment_that_is_open(
    open_one: DeploymentHealth,
    stub: ProviderStub,
    tmp_path: Path,
    answer: dict[str, Any],
    standing: str,
    is_put_off: bool,
) -> None:
    stub.lists(**answer)

    look(tmp_path)

    open_one.refresh_from_db()
    assert (open_one.standing, open_one.probe_failed) == (standing, is_put_off)


def test_the_task_asks(provider: Provider, stub: ProviderStub, settings: Any, tmp_path: Path) -> None:
    settings.OWNER_DIR = tmp_path

    assert probe_providers() == 1
