"""An operator adds a provider page by page, and reads at each what is wrong or missing."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Course
from apps.providers.models import CourseModel, Deployment, Model, Offer, Provider
from tests import factories
from tests.admin.world import add_page, list_of, page_of
from tests.provider_stub import ProviderStub

SECRET = "sk-of-the-setup-4711"


@pytest.fixture
def stub() -> Iterator[ProviderStub]:
    with ProviderStub() as stub:
        yield stub


@pytest.fixture
def provider(db: None, stub: ProviderStub) -> Provider:
    return factories.make_provider(name="campus", base_url=stub.base_url, probe_path="", secret="")


def begin(kind: str) -> str:
    return reverse("admin:providers_provider_begin", args=[kind])


def step(provider: Provider, name: str) -> str:
    return reverse("admin:providers_provider_setup", args=[provider.pk, name])


def address_form(**overrides: Any) -> dict[str, Any]:
    return {"name": "Campus EU", "base_url": "http://127.0.0.1:9/v1", "hosting": "own", "region": "", **overrides}


def test_adding_begins_with_the_kind(operator: Client) -> None:
    page = operator.get(add_page(Provider), follow=True)

    assert page.redirect_chain == [(reverse("admin:providers_provider_kinds"), 302)]
    text = page.content.decode()
    assert all(begin(kind) in text for kind in ("openai", "azure-openai", "mistral", "ollama", "vllm", "echo", "other"))
    assert operator.get(begin("nonsense")).status_code == 404


def test_a_preset_fills_in_what_is_known(operator: Client) -> None:
    text = operator.get(begin("openai")).content.decode()

    assert 'value="https://api.openai.com/v1"' in text
    assert 'value="openai"' in text


def test_a_private_address_is_told_of_before_anything_is_sent(operator: Client, stub: ProviderStub) -> None:
    given = address_form(base_url=stub.base_url)

    refused = operator.post(begin("other"), given).content.decode()
    assert "turn on “Allow private network”" in refused
    assert not Provider.objects.exists()
    assert stub.checks == []

    page = operator.post(begin("other"), {**given, "allow_private_network": "on"})
    provider = Provider.objects.get()
    assert provider.name == "campus-eu"
    assert page.headers["Location"] == step(provider, "key")
    assert stub.checks == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"base_url": "ftp://llm.example.edu"}, "must start with https:// or http://"),
        ({"base_url": "https://YOUR-RESOURCE.openai.azure.com/openai/v1"}, "Replace the capital letters"),
        ({"base_url": "http://127.0.0.1:9/v1/chat/completions"}, "Leave out the endpoint"),
        ({"name": "!!"}, "Use letters, digits, hyphens"),
    ],
)
def test_a_wrong_name_or_address_is_explained(operator: Client, given: dict[str, Any], said: str) -> None:
    text = operator.post(begin("other"), address_form(**given, allow_private_network="on")).content.decode()

    assert said in text
    assert not Provider.objects.exists()


def test_a_key_is_tested_at_once_and_never_shown(operator: Client, provider: Provider) -> None:
    page = operator.post(step(provider, "key"), {"secret": SECRET}, follow=True)

    text = page.content.decode()
    assert page.redirect_chain == [(step(provider, "test"), 302)]
    assert "Works." in text
    assert "2 models listed" in text
    assert provider.credentials.get().secret() == SECRET
    assert SECRET not in text + operator.get(step(provider, "key")).content.decode()


def test_a_wrong_key_is_named_with_the_way_to_mend_it(operator: Client, provider: Provider, stub: ProviderStub) -> None:
    stub.lists(status=401, body=None)

    text = operator.post(step(provider, "key"), {"secret": SECRET}, follow=True).content.decode()

    assert "The provider does not accept the key (401)." in text
    assert "Change the key" in text


def test_an_empty_key_is_asked_for_where_one_is_needed(operator: Client, provider: Provider) -> None:
    assert "Enter the key" in operator.post(step(provider, "key"), {"secret": ""}).content.decode()

    Provider.objects.filter(pk=provider.pk).update(base_url="http://127.0.0.1:11434/v1")  # Ollama's usual port
    assert operator.post(step(provider, "key"), {"secret": ""}).status_code == 302


def test_ticked_models_become_models_with_deployments(operator: Client, provider: Provider) -> None:
    tutor = factories.make_model(factories.make_provider(), name="tutor")
    operator.post(step(provider, "test"))

    page = operator.post(
        step(provider, "models"),
        {
            "pick": ["stub-model", "stub-large-2026-01-31"],
            "name:stub-model": "tutor",
            "name:stub-large-2026-01-31": "large",
            "weight:stub-large-2026-01-31": "2,5",
            "order": "fallback",
        },
    )

    assert page.headers["Location"] == step(provider, "courses")
    joined = Deployment.objects.get(provider=provider, upstream_model="stub-model")
    assert (joined.model, joined.priority) == (tutor, 1)
    assert str(Model.objects.get(name="large").output_weight) == "2.5000"
    assert "added" in operator.get(step(provider, "models")).content.decode()


def test_a_wrong_weight_adds_nothing(operator: Client, provider: Provider) -> None:
    given = {"pick": "by-hand", "other": "by-hand", "weight:by-hand": "heavy"}

    text = operator.post(step(provider, "models"), given).content.decode()

    assert "The weight is a number" in text
    assert not Model.objects.exists()
    assert operator.post(step(provider, "models"), {}).status_code == 200


def test_courses_are_allowed_the_models_and_named_where_need_be(operator: Client, provider: Provider) -> None:
    model = factories.make_model(provider, offered_to="named")
    course, strict = factories.make_course(), factories.make_course(title="At home", hosting="own")

    shown = operator.get(step(provider, "courses")).content.decode()
    operator.post(step(provider, "courses"), {"model": model.pk, "course": [course.pk, "x"]})
    operator.post(step(provider, "courses"), {"model": model.pk, "course": [course.pk]})

    assert "machines. Calls will not come here." in shown
    assert CourseModel.objects.get().course == course
    assert Offer.objects.get().course == course
    assert not CourseModel.objects.filter(course=strict).exists()


def test_a_question_is_answered_along_the_way_of_a_course(
    operator: Client, provider: Provider, stub: ProviderStub
) -> None:
    factories.make_credential(provider, secret=SECRET)
    course = factories.make_course()
    factories.make_model(provider, course=course, name="tutor")

    text = ask(operator, provider)

    assert stub.last.body["model"] == "tutor"
    assert stub.last.headers["authorization"] == f"Bearer {SECRET}"
    assert "as tutor" in text
    assert 'role="alert"' not in text
    assert 'class="stoa-passage theirs' not in operator.get(step(provider, "ask")).content.decode()  # shown once


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ({"status": 401, "body": b'{"error": {"message": "no"}}'}, "It refuses this credential."),
        ({"plain": b"<html>hello</html>"}, "something else than JSON"),
        ({"plain": b'{"choices": []}'}, "another format"),
        ({"status": 404, "body": b"{}"}, "It does not know this model"),
    ],
)
def test_a_question_without_an_answer_says_why(
    operator: Client, provider: Provider, stub: ProviderStub, behaviour: dict[str, Any], said: str
) -> None:
    factories.make_credential(provider, secret=SECRET)
    factories.make_model(provider, course=factories.make_course(), name="tutor")
    stub.always(**behaviour)

    assert said in ask(operator, provider)


@pytest.mark.parametrize(
    ("course", "said"),
    [({"hosting": "own"}, "may not go to this provider"), ({"is_open": False}, "refuses every call")],
)
def test_a_question_that_a_student_could_not_ask_is_not_sent(
    operator: Client, provider: Provider, stub: ProviderStub, course: dict[str, Any], said: str
) -> None:
    factories.make_credential(provider, secret=SECRET)
    model = factories.make_model(provider, course=factories.make_course(), name="tutor")
    Course.objects.filter(allowed_models__model=model).update(**course)

    assert said in ask(operator, provider)
    assert stub.journal == []


def ask(operator: Client, provider: Provider) -> str:
    way = CourseModel.objects.get().pk
    page = operator.post(step(provider, "ask"), {"way": way, "question": "Hello?"}, follow=True)
    assert page.redirect_chain == [(step(provider, "ask"), 302)]
    return str(page.content.decode())


def test_echo_needs_a_name_and_no_more(operator: Client) -> None:
    operator.post(begin("echo"), {"name": "Echo"})
    provider = Provider.objects.get()
    assert provider.adapter == "echo"
    assert operator.get(step(provider, "key")).status_code == 404

    operator.post(step(provider, "models"), {"pick": "echo", "name:echo": "parrot"})
    factories.allow(Model.objects.get(), course=factories.make_course())

    assert "Hello?</p>" in ask(operator, provider).split("theirs")[1]


def test_what_is_missing_is_shown_until_it_is_there(operator: Client, provider: Provider) -> None:
    resume = reverse("admin:providers_provider_resume", args=[provider.pk])

    assert "No key has been entered." in operator.get(step(provider, "models")).content.decode()
    assert operator.get(resume).headers["Location"] == step(provider, "key")
    assert step(provider, "key") in operator.get(reverse("admin:providers_provider_kinds")).content.decode()

    factories.make_credential(provider, secret=SECRET)
    operator.post(step(provider, "test"))
    factories.make_model(provider, course=factories.make_course())
    assert operator.get(resume).headers["Location"] == step(provider, "ask")


def test_a_new_address_forgets_the_key(operator: Client, provider: Provider) -> None:
    factories.make_credential(provider, secret=SECRET)

    operator.post(
        step(provider, "address"), address_form(base_url="http://127.0.0.1:10/v1", allow_private_network="on")
    )

    assert provider.credentials.get().ciphertext == ""


@pytest.mark.parametrize("who", ["instructor", "student"])
def test_only_operators_set_providers_up(who: str, provider: Provider, stub: ProviderStub, request: Any) -> None:
    client = request.getfixturevalue(who)
    addresses = [begin("other"), reverse("admin:providers_provider_kinds")]
    addresses += [step(provider, name) for name in ("address", "key", "test", "models", "courses", "ask")]

    assert {client.post(address).status_code for address in addresses} <= {302, 403}
    assert {client.get(address).status_code for address in addresses} <= {302, 403}
    assert stub.checks == []


@pytest.mark.parametrize("kind", [Provider, Model])
def test_every_field_of_a_table_has_a_name(operator: Client, provider: Provider, kind: Any) -> None:
    factories.make_credential(provider, secret=SECRET)
    model = factories.make_model(provider)
    text = operator.get(page_of(provider if kind is Provider else model)).content.decode()

    fields = re.findall(r'<(?:input|select)[^>]* name="(?:deployments|credentials|offers)-\d+-[^>]*>', text)
    seen = [field for field in fields if 'type="hidden"' not in field]

    assert seen
    assert [field for field in seen if "aria-label=" not in field] == []


def test_fields_of_models_offer_what_the_provider_lists(operator: Client, provider: Provider) -> None:
    deployment = factories.make_model(provider).deployments.get()
    operator.post(step(provider, "test"))

    for page in (page_of(provider), page_of(deployment), page_of(deployment.model), add_page(Deployment)):
        text = operator.get(page).content.decode()
        assert 'list="listed-models"' in text
        assert text.count('<option value="stub-model">campus</option>') == 1


def test_an_empty_limit_says_what_holds(operator: Client, provider: Provider) -> None:
    deployment = factories.make_model(provider).deployments.get()
    Provider.objects.filter(pk=provider.pk).update(stall_seconds=90)

    text = operator.get(page_of(deployment)).content.decode()

    assert "Empty: 90 seconds, from campus." in text
    assert "Empty: 60 seconds" in operator.get(page_of(provider)).content.decode()


def test_a_deployment_of_a_provider_that_refuses_the_key_is_not_green(
    operator: Client, provider: Provider, stub: ProviderStub
) -> None:
    factories.make_credential(provider, secret=SECRET)
    deployment = factories.make_model(provider).deployments.get()
    stub.lists(status=401, body=None)
    operator.post(step(provider, "test"))

    for page in (list_of(Deployment), page_of(deployment)):
        text = operator.get(page).content.decode()
        assert ">wrong key<" in text
        assert ">well<" not in text
