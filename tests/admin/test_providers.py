"""Providers: a secret goes in, works, and is never shown; it does not follow the provider to another server."""

from typing import Any

import pytest
from django.test import Client

from apps.providers.models import Credential, Model, Provider
from tests import factories
from tests.admin.world import add_page, list_of, page_of

SECRET = "sk-upstream-secret-4711"


def provider_form(credentials: list[dict[str, Any]], **overrides: Any) -> dict[str, Any]:
    stored = sum(1 for row in credentials if row.get("id"))
    form = {
        "name": "campus",
        "adapter": "openai",
        "base_url": "https://llm.example.edu/v1",
        "is_enabled": "on",
        "output_cap": "max_tokens",
        "stream_options": "learn",
        "hosting": "external",
        "identity": "pseudonym",
        "extra_headers": "{}",
        "credentials-TOTAL_FORMS": len(credentials),
        "credentials-INITIAL_FORMS": stored,
        "deployments-TOTAL_FORMS": 0,
        "deployments-INITIAL_FORMS": 0,
        **overrides,
    }
    for number, row in enumerate(credentials):
        values = {"label": "main", "weight": 1, "is_enabled": "on", "secret": "", **row}
        form |= {f"credentials-{number}-{name}": value for name, value in values.items()}
    return form


@pytest.fixture
def provider(db: None) -> Provider:
    provider = factories.make_provider(name="campus", base_url="https://llm.example.edu/v1", secret="")
    factories.make_credential(provider, secret=SECRET, label="main")
    return provider


def change(client: Client, provider: Provider, *, secret: str = "", **overrides: Any) -> Credential:
    """Save the provider's page; the credential as it is afterwards."""
    credential = provider.credentials.get()
    row = {"id": credential.pk, "provider": provider.pk, "secret": secret, **overrides.pop("credential", {})}
    page = client.post(page_of(provider), provider_form([row], **overrides))
    assert page.status_code == 302, page.context["errors"]
    return provider.credentials.get()


def test_an_operator_adds_a_provider_with_its_credential(operator: Client) -> None:
    operator.post(add_page(Provider), provider_form([{"secret": SECRET}]))

    credential = Credential.objects.get(provider__name="campus")
    assert credential.secret() == SECRET
    assert SECRET not in credential.ciphertext


@pytest.mark.parametrize("secret", ["sk–with-a-dash-of-a-word-processor", "Bearer sk-4711", "sk-4711\r\nx-title: Stoa"])
def test_what_cannot_be_a_key_is_refused(operator: Client, provider: Provider, secret: str) -> None:
    row = {"id": provider.credentials.get().pk, "provider": provider.pk, "secret": secret}

    text = operator.post(page_of(provider), provider_form([row])).content.decode()

    assert "no provider&#x27;s key contains" in text
    assert "4711" not in text
    assert provider.credentials.get().secret() == SECRET


def test_an_operator_adds_a_model_with_its_deployment(operator: Client, provider: Provider) -> None:
    weights = {"input_weight": 1, "cached_input_weight": 1, "output_weight": 3}
    deployment = {"provider": provider.pk, "upstream_model": "llama", "priority": 0, "weight": 2, "is_enabled": "on"}

    operator.post(
        add_page(Model),
        {
            **{"name": "large", "max_output_tokens": 100, "is_enabled": "on", "offered_to": "any", **weights},
            **{"deployments-TOTAL_FORMS": 1, "deployments-INITIAL_FORMS": 0},
            **{"offers-TOTAL_FORMS": 0, "offers-INITIAL_FORMS": 0},
            **{f"deployments-0-{name}": value for name, value in deployment.items()},
        },
    )

    assert Model.objects.get(name="large").deployments.get().weight == 2


def test_a_secret_is_on_no_page(operator: Client, provider: Provider) -> None:
    credential = provider.credentials.get()

    pages = [
        operator.get(list_of(Provider)),
        operator.get(page_of(provider)),
        operator.get(page_of(provider, "history")),
        operator.post(page_of(provider), provider_form([{"secret": SECRET}], name="")),
    ]

    text = "".join(page.content.decode() for page in pages)
    assert SECRET not in text
    assert credential.ciphertext not in text


def test_an_empty_field_keeps_the_secret(operator: Client, provider: Provider) -> None:
    credential = change(operator, provider, credential={"weight": 5})

    assert (credential.weight, credential.secret()) == (5, SECRET)


def test_a_new_secret_replaces_the_old(operator: Client, provider: Provider) -> None:
    credential = change(operator, provider, secret="sk-new")

    assert credential.secret() == "sk-new"


def test_a_new_path_on_the_same_server_keeps_the_secret(operator: Client, provider: Provider) -> None:
    credential = change(operator, provider, base_url="https://llm.example.edu/v2")

    assert credential.secret() == SECRET


@pytest.mark.parametrize(
    "base_url", ["https://elsewhere.example/v1", "http://llm.example.edu/v1", "https://llm.example.edu:8443/v1"]
)
def test_a_secret_does_not_follow_to_another_server(operator: Client, provider: Provider, base_url: str) -> None:
    credential = change(operator, provider, base_url=base_url, credential={"weight": 7})

    assert credential.ciphertext == ""


def test_a_secret_entered_for_the_new_server_stays(operator: Client, provider: Provider) -> None:
    credential = change(operator, provider, base_url="https://elsewhere.example/v1", secret="sk-new")

    assert credential.secret() == "sk-new"


def test_headers_do_not_follow_to_another_server(operator: Client, provider: Provider) -> None:
    Provider.objects.filter(pk=provider.pk).update(extra_headers={"X-Key": "4711"})
    kept = '{"X-Key": "4711"}'

    change(operator, provider, base_url="https://llm.example.edu/v2", extra_headers=kept)
    stayed = Provider.objects.get().extra_headers
    change(operator, provider, base_url="https://elsewhere.example/v1", extra_headers=kept)

    assert (stayed, Provider.objects.get().extra_headers) == ({"X-Key": "4711"}, {})


def test_headers_entered_for_the_new_server_stay(operator: Client, provider: Provider) -> None:
    Provider.objects.filter(pk=provider.pk).update(extra_headers={"X-Key": "4711"})

    change(operator, provider, base_url="https://elsewhere.example/v1", extra_headers='{"X-Key": "0815"}')

    assert Provider.objects.get().extra_headers == {"X-Key": "0815"}


def test_an_address_with_the_endpoint_is_refused_with_the_right_one(operator: Client, provider: Provider) -> None:
    page = operator.post(page_of(provider), provider_form([], base_url="https://llm.example.edu/v1/chat/completions"))

    assert "write https://llm.example.edu/v1." in page.content.decode()


def test_an_address_without_a_version_is_taken_with_a_warning(operator: Client, provider: Provider) -> None:
    row = {"id": provider.credentials.get().pk, "provider": provider.pk}

    page = operator.post(
        page_of(provider), provider_form([row], base_url="https://llm.example.edu/inference"), follow=True
    )

    assert Provider.objects.get().base_url == "https://llm.example.edu/inference"
    assert "calls will go to https://llm.example.edu/inference/chat/completions" in page.content.decode()


def test_a_list_cannot_be_filtered_by_ciphertext(operator: Client, provider: Provider) -> None:
    page = operator.get(list_of(Provider), {"credentials__ciphertext__startswith": "v1"})

    assert page.status_code in (302, 400)


def test_a_credential_without_a_secret_says_so(operator: Client, db: None) -> None:
    provider = factories.make_provider(secret="")
    Credential.objects.create(provider=provider)

    assert "no secret yet" in operator.get(page_of(provider)).content.decode()
