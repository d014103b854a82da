"""An operator reads on a provider's page what is wrong with it, and can have it tested at once."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.providers.models import CredentialHealth, LastProbe, Provider
from apps.providers.probes import rounds
from tests import factories
from tests.admin.test_providers import change
from tests.admin.world import list_of, make_call, page_of
from tests.provider_stub import ProviderStub


@pytest.fixture
def stub() -> Iterator[ProviderStub]:
    with ProviderStub() as stub:
        yield stub


@pytest.fixture
def provider(db: None, stub: ProviderStub) -> Provider:
    provider = factories.make_provider(name="campus", base_url=stub.base_url, probe_path="", secret="")
    factories.make_credential(provider, secret="sk-right", label="main")
    return provider


def check_of(provider: Provider) -> str:
    return reverse("admin:providers_provider_check", args=[provider.pk])


def test_a_test_says_what_was_found(operator: Client, provider: Provider) -> None:
    page = operator.post(check_of(provider), follow=True)

    assert page.redirect_chain == [(page_of(provider), 302)]
    text = page.content.decode()
    assert "main: Works. (" in text
    assert "2 models found" in text
    assert "stub-large-2026-01-31" in text


def test_a_wrong_key_is_told_in_a_sentence(operator: Client, provider: Provider, stub: ProviderStub) -> None:
    stub.lists(status=401, body=None)

    text = operator.post(check_of(provider), follow=True).content.decode()

    assert "main: The provider does not accept the key (401). Enter the secret again." in text
    assert ">wrong key<" in text
    listed = operator.get(list_of(Provider)).content.decode()
    assert ">wrong key<" in listed
    assert 'class="stoa-badge good"' not in listed
    assert "sk-right" not in text


def test_names_of_models_are_escaped(operator: Client, provider: Provider, stub: ProviderStub) -> None:
    stub.lists(body=b'{"data": [{"id": "<img src=x>"}]}')

    text = operator.post(check_of(provider), follow=True).content.decode()

    assert "<img src=x>" not in text
    assert "&lt;img src=x&gt;" in text


def test_what_a_worker_found_is_on_the_page(operator: Client, provider: Provider, tmp_path: Path) -> None:
    factories.make_model(provider, name="stub-model")
    assert "not checked" in operator.get(list_of(Provider)).content.decode()
    assert "Not checked yet." in operator.get(page_of(provider)).content.decode()

    rounds._seen.clear()  # another test of this process may have seen the very same revision
    rounds.look(owners=tmp_path, clock=lambda: datetime.now(UTC))

    assert "Works." in operator.get(page_of(provider)).content.decode()
    assert "Works." in operator.get(check_of(provider)).content.decode()


def test_saving_a_provider_forgets_what_was_found_before(operator: Client, provider: Provider) -> None:
    operator.post(check_of(provider))
    assert LastProbe.objects.count() == 1

    change(operator, provider, base_url="https://llm.example.edu/v1", secret="sk-new")

    assert LastProbe.objects.count() == 0


@pytest.mark.parametrize("settings", [{"probe_path": "off"}, {"is_enabled": False}])
def test_who_is_not_checked_can_still_be_tested(
    operator: Client, provider: Provider, stub: ProviderStub, settings: dict[str, Any]
) -> None:
    Provider.objects.filter(pk=provider.pk).update(**settings)

    text = operator.post(check_of(provider), follow=True).content.decode()

    assert "main: Works." in text


def test_what_was_found_without_a_key_is_on_the_page(operator: Client, provider: Provider, stub: ProviderStub) -> None:
    provider.credentials.update(is_enabled=False)
    stub.lists(status=401, body=None)

    operator.post(check_of(provider))

    page = operator.get(page_of(provider)).content.decode()
    assert "asked without a key" in page
    assert "The provider asks for a key (401)." in page


def test_the_echo_provider_needs_no_test(operator: Client, db: None) -> None:
    echo = factories.make_provider(adapter="echo", base_url="", secret="")

    assert operator.post(check_of(echo)).status_code == 404
    assert "Health checks</h2>" not in operator.get(page_of(echo)).content.decode()


@pytest.mark.parametrize("who", ["instructor", "student"])
def test_only_operators_may_test(who: str, provider: Provider, stub: ProviderStub, request: Any) -> None:
    answer = request.getfixturevalue(who).post(check_of(provider))

    assert answer.status_code in (302, 403)
    assert stub.checks == []


def test_a_test_from_another_site_is_refused(operator: Client, provider: Provider, stub: ProviderStub) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operator.cookies

    assert strict.post(check_of(provider)).status_code == 403
    assert stub.checks == []


def test_the_list_asks_as_often_for_many_as_for_one(
    operator: Client, provider: Provider, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        other = factories.make_provider(name=f"other-{number}")
        LastProbe.objects.put(
            [LastProbe(key=f"{other.pk}/", provider=other, fingerprint="", at=datetime.now(UTC), sentence="Works.")]
        )

    with django_assert_max_num_queries(17):
        operator.get(list_of(Provider))


def test_a_provider_whose_calls_fail_is_not_green(operator: Client, provider: Provider, stub: ProviderStub) -> None:
    """Its list of models is public, so only calls show that the key is wrong."""
    factories.make_model(provider, name="stub-model")
    operator.post(check_of(provider))
    assert ">works<" in operator.get(list_of(Provider)).content.decode()

    now = datetime.now(UTC)
    failed = make_call(factories.make_student(), provider="", attempts=1, status="failed")
    failed.made_attempts.create(number=1, provider="campus", upstream_model="m", outcome="credential", status=401)
    CredentialHealth.objects.create(
        credential=provider.credentials.get(), standing="out", error="It refuses this credential.", failed_at=now
    )

    text = operator.get(list_of(Provider)).content.decode()
    assert ">key refused<" in text
    assert "0 answered, 1 failed" in text
    assert "It refuses this credential. (" in text
    assert ">works<" not in text


def test_answers_of_the_last_hour_are_counted(operator: Client, provider: Provider) -> None:
    factories.make_model(provider, name="stub-model")
    student = factories.make_student()
    for outcome in ("too_slow", "answered"):
        make_call(student, provider="campus").made_attempts.create(number=1, provider="campus", outcome=outcome)

    text = operator.get(list_of(Provider)).content.decode()

    assert "2 answered, 1 failed" in text
    assert "last success" in text
    assert ">unsteady<" in text
