"""Operators see how each deployment is doing, and decide by hand what failures would decide."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.common.models import Revision
from apps.providers.models import CredentialHealth, Deployment, DeploymentHealth, Provider, ProviderEvent
from tests import factories
from tests.admin.world import list_of, make_call, page_of

LATER = timedelta(minutes=5)
ERROR = "It did not begin to answer in time."


@pytest.fixture
def deployment(db: None) -> Deployment:
    provider = factories.make_provider(name="campus", secret="")
    factories.make_credential(provider, secret="sk-right", label="main")
    return factories.make_model(provider, name="large").deployments.get()


def judged(deployment: Deployment, standing: str, **state: Any) -> DeploymentHealth:
    now = datetime.now(UTC)
    values = {"standing": standing, "since": now, "failed_at": now, "error": ERROR, **state}
    return DeploymentHealth.objects.create(deployment=deployment, **values)


def state_of(operator: Client, deployment: Deployment) -> str:
    """The page of a deployment, down to its form, and its row in the list."""
    page, listed = operator.get(page_of(deployment)), operator.get(list_of(Deployment))
    assert (page.status_code, listed.status_code) == (200, 200)
    return page.content.decode().partition('id="deployment_form"')[0] + listed.content.decode()


def test_one_that_never_failed_is_well(operator: Client, deployment: Deployment) -> None:
    assert state_of(operator, deployment).count(">well<") == 2


STATES: list[Any] = [
    ("open", {"until": LATER}, "open until "),
    ("open", {"until": -LATER}, "open, to be tried"),
    ("probation", {}, "on probation"),
    ("cooling", {"until": LATER}, "cooling until "),
    ("cooling", {"until": -LATER}, "well<"),
]


@pytest.mark.parametrize(("standing", "until", "words"), STATES)
def test_its_state_is_in_words(
    operator: Client, deployment: Deployment, standing: str, until: dict[str, timedelta], words: str
) -> None:
    judged(deployment, standing, **{name: datetime.now(UTC) + wait for name, wait in until.items()})

    text = state_of(operator, deployment)

    assert text.count(f">{words}") == 2
    assert ERROR in text


@pytest.mark.parametrize(
    ("force", "words"), [("open", "forced open"), ("closed", "forced closed"), ("drain", "draining"), ("", ">well<")]
)
def test_an_operator_decides_by_hand(operator: Client, deployment: Deployment, force: str, words: str) -> None:
    Deployment.objects.filter(pk=deployment.pk).update(force="" if force else "open")
    before = Revision.objects.get(topic="catalogue").number

    page = operator.post(
        reverse("admin:providers_deployment_force", args=[deployment.pk]), {"force": force}, follow=True
    )

    deployment.refresh_from_db()
    assert (deployment.force, page.status_code) == (force, 200)
    assert Revision.objects.get(topic="catalogue").number > before
    assert words in state_of(operator, deployment)


@pytest.mark.parametrize(
    ("action", "force"),
    [("force_open", "open"), ("force_closed", "closed"), ("drain", "drain"), ("back_to_automatic", "")],
)
def test_many_are_decided_at_once(operator: Client, deployment: Deployment, action: str, force: str) -> None:
    Deployment.objects.filter(pk=deployment.pk).update(force="" if force else "drain")

    page = operator.post(list_of(Deployment), {"action": action, "_selected_action": [deployment.pk]}, follow=True)

    deployment.refresh_from_db()
    assert deployment.force == force
    assert "1 deployment " in page.content.decode()


def test_what_cannot_be_decided_is_not_found(operator: Client, deployment: Deployment) -> None:
    assert (
        operator.post(reverse("admin:providers_deployment_force", args=[deployment.pk]), {"force": "x"}).status_code
        == 404
    )


@pytest.mark.parametrize("who", ["instructor", "student"])
def test_only_operators_decide(who: str, deployment: Deployment, request: Any) -> None:
    client = request.getfixturevalue(who)

    answer = client.post(reverse("admin:providers_deployment_force", args=[deployment.pk]), {"force": "open"})

    deployment.refresh_from_db()
    assert (answer.status_code in (302, 403), deployment.force) == (True, "")


def test_the_list_can_be_narrowed_to_what_is_in_trouble(operator: Client, deployment: Deployment) -> None:
    well = factories.make_model(factories.make_provider(name="other"), name="small").deployments.get()
    by_hand = factories.make_model(factories.make_provider(name="third"), name="tiny").deployments.get()
    Deployment.objects.filter(pk=by_hand.pk).update(force="open")
    judged(deployment, "open", until=datetime.now(UTC) + LATER)
    judged(well, "cooling", until=datetime.now(UTC) - LATER)

    found = {
        state: {row.pk for row in operator.get(list_of(Deployment), {"state": state}).context["cl"].result_list}
        for state in ("trouble", "hand", "well")
    }

    assert found == {"trouble": {deployment.pk}, "hand": {by_hand.pk}, "well": {well.pk}}


def test_traffic_and_percentiles_of_the_last_hour_are_shown(operator: Client, deployment: Deployment) -> None:
    student = factories.make_student()
    for duration in (1_000, 2_000, 9_000):
        make_call(student, provider="campus", upstream_model=deployment.upstream_model, duration_ms=duration)
    make_call(student, provider="elsewhere", upstream_model="x")

    text = state_of(operator, deployment)

    assert "75 %" in text
    assert "3 <small>of 4" in text
    assert text.count("p95 9.0 s") == 2


def test_its_history_is_drawn_and_listed(operator: Client, deployment: Deployment) -> None:
    about = {"provider": deployment.provider_id, "deployment": deployment.pk}
    ProviderEvent.note("down", detail="<b>No connection</b> came about.", now=datetime.now(UTC), **about)
    other = factories.make_model(deployment.provider, name="other").deployments.get()
    ProviderEvent.note(
        "back", provider=other.provider_id, deployment=other.pk, detail="Another one.", now=datetime.now(UTC)
    )

    text = operator.get(page_of(deployment)).content.decode()

    assert "&lt;b&gt;No connection&lt;/b&gt; came about." in text
    assert '<rect class="down"' in text
    assert "Another one." not in text


# Credentials


@pytest.fixture
def out(deployment: Deployment) -> CredentialHealth:
    credential = deployment.provider.credentials.get()
    now = datetime.now(UTC)
    return CredentialHealth.objects.create(credential=credential, standing="out", error="It refuses it.", failed_at=now)


def test_a_credential_that_is_out_leaves_its_deployments_without_one(
    operator: Client, deployment: Deployment, out: CredentialHealth
) -> None:
    assert "no credential" in state_of(operator, deployment)

    second = factories.make_credential(deployment.provider, secret="sk-second", label="second")
    assert "1 of 2 credentials cannot be used now." in state_of(operator, deployment)
    assert second.label in operator.get(page_of(deployment.provider)).content.decode()


def test_a_credential_is_put_back(operator: Client, deployment: Deployment, out: CredentialHealth) -> None:
    page = operator.get(page_of(deployment.provider)).content.decode()
    assert (">out<" in page, "It refuses it." in page, "Put back" in page) == (True, True, True)

    page = operator.post(
        reverse("admin:providers_credential_put_back", args=[out.credential_id]), follow=True
    ).content.decode()

    out.refresh_from_db()
    assert out.standing == "well"
    assert "main is used again" in page
    assert ProviderEvent.objects.get().kind == "credential_back"


@pytest.mark.parametrize("who", ["instructor", "student"])
def test_only_operators_put_back(who: str, out: CredentialHealth, request: Any) -> None:
    client = request.getfixturevalue(who)

    client.post(reverse("admin:providers_credential_put_back", args=[out.credential_id]))

    out.refresh_from_db()
    assert out.standing == "out"


# The overview


def test_the_overview_says_what_is_down(operator: Client, deployment: Deployment, out: CredentialHealth) -> None:
    judged(deployment, "open", until=datetime.now(UTC) + LATER)

    text = operator.get("/admin/").content.decode()

    assert "campus fails to answer for large" in text
    assert "campus refuses our key “main”" in text


def test_the_overview_leaves_out_providers_that_are_not_enabled(operator: Client, out: CredentialHealth) -> None:
    Provider.objects.update(is_enabled=False)

    assert "refuses our key" not in operator.get("/admin/").content.decode()


def test_the_overview_of_instructors_does_not(instructor: Client, deployment: Deployment) -> None:
    judged(deployment, "open", until=datetime.now(UTC) + LATER)

    assert "fails to answer" not in instructor.get("/admin/", follow=True).content.decode()


def test_the_list_asks_as_often_for_many_as_for_one(
    operator: Client, deployment: Deployment, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        provider: Provider = factories.make_provider(name=f"other-{number}")
        judged(factories.make_model(provider, name=f"model-{number}").deployments.get(), "open")

    with django_assert_max_num_queries(16):
        operator.get(list_of(Deployment))
