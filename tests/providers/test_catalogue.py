"""The catalogue: what of the tables the data plane gets to know."""

import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings

from apps.accounts.models import Course
from apps.providers.catalogue import Catalogue, Route, catalogue, load_catalogue
from apps.providers.models import Credential, Deployment, Model, Provider
from tests import factories

pytestmark = pytest.mark.django_db

SECRET = "sk-very-secret"


class Setup:
    """One model at one provider, which one course allows."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.provider: Provider = factories.make_provider(secret=SECRET)
        self.model: Model = factories.make_model(self.provider, course=course)
        self.credential = Credential.objects.get(provider=self.provider)
        self.deployment = Deployment.objects.get(model=self.model)

    def route(self) -> Route | None:
        return load_catalogue().routes.get(self.model.name)

    def targets(self) -> Any:
        route = self.route()
        assert route is not None
        return route.targets


@pytest.fixture
def setup(course: Course) -> Setup:
    return Setup(course)


def test_a_route_says_everything_that_a_call_needs(setup: Setup) -> None:
    Provider.objects.filter(pk=setup.provider.pk).update(timeout_seconds=7.5, output_cap="max_completion_tokens")
    Deployment.objects.filter(pk=setup.deployment.pk).update(priority=3, weight=5, upstream_model="up")
    Model.objects.filter(pk=setup.model.pk).update(
        context_window=9000, max_output_tokens=100, refused_parameters="store\nservice_tier"
    )

    (target,) = setup.targets()
    route = setup.route()

    assert route is not None
    assert (route.context_window, route.max_output_tokens, route.created) == (
        9000,
        100,
        int(setup.model.created_at.timestamp()),
    )
    assert route.refused_parameters == {"store", "service_tier"}
    assert (target.provider, target.adapter, target.base_url) == (
        setup.provider.name,
        "openai",
        setup.provider.base_url,
    )
    assert (target.priority, target.weight, target.upstream_model) == (3, 5, "up")
    assert (target.first_byte_timeout, target.output_cap, target.allow_private) == (7.5, "max_completion_tokens", True)
    assert [(secret.label, secret.text, secret.weight) for secret in target.secrets] == [
        (setup.credential.label, SECRET, 1)
    ]


def test_without_a_timeout_of_its_own_a_provider_has_the_general_one(setup: Setup) -> None:
    assert setup.targets()[0].first_byte_timeout == settings.FIRST_BYTE_TIMEOUT


@pytest.mark.parametrize(
    ("weight", "scaled"),
    [("1", 10_000), ("0", 0), ("0.1", 1000), ("0.0001", 1), ("2.5", 25_000), ("9999.9999", 99_999_999)],
)
def test_weights_are_exact_integers(setup: Setup, weight: str, scaled: int) -> None:
    value = Decimal(weight)
    Model.objects.filter(pk=setup.model.pk).update(input_weight=value, cached_input_weight=value, output_weight=value)

    route = setup.route()

    assert route is not None
    assert (route.input_weight, route.cached_input_weight, route.output_weight) == (scaled, scaled, scaled)


def test_targets_stand_in_the_order_of_their_priority(setup: Setup) -> None:
    for name, priority in (("last", 9), ("first", 0), ("middle", 5)):
        factories.make_deployment(setup.model, setup.provider, upstream_model=name, priority=priority)
    Deployment.objects.filter(pk=setup.deployment.pk).delete()

    assert [target.upstream_model for target in setup.targets()] == ["first", "middle", "last"]


# What is switched off


def test_a_model_that_is_disabled_is_left_out(setup: Setup) -> None:
    Model.objects.filter(pk=setup.model.pk).update(is_enabled=False)

    assert setup.route() is None


OFF: dict[str, Callable[[Setup], Any]] = {
    "provider": lambda setup: Provider.objects.filter(pk=setup.provider.pk),
    "deployment": lambda setup: Deployment.objects.filter(pk=setup.deployment.pk),
}


@pytest.mark.parametrize("rows", OFF.values(), ids=OFF.keys())
def test_a_target_that_is_disabled_is_left_out(setup: Setup, rows: Callable[[Setup], Any]) -> None:
    rows(setup).update(is_enabled=False)

    assert setup.targets() == ()


def test_a_credential_that_is_disabled_is_left_out(setup: Setup) -> None:
    factories.make_credential(setup.provider, secret="other", label="other")
    Credential.objects.filter(pk=setup.credential.pk).update(is_enabled=False)

    assert [secret.label for secret in setup.targets()[0].secrets] == ["other"]


def test_a_credential_without_a_secret_is_left_out(setup: Setup) -> None:
    Credential.objects.create(provider=setup.provider, label="empty")

    assert [secret.label for secret in setup.targets()[0].secrets] == [setup.credential.label]


# Limits of time


@pytest.mark.parametrize(
    ("provider", "deployment", "limits"),
    [
        ({}, {}, (60.0, 600.0, 300.0, 600.0)),
        ({"timeout_seconds": 7}, {}, (7, 7, 300.0, 600.0)),
        ({"total_seconds": 1800, "stall_seconds": 900}, {}, (60.0, 1800, 900, 1800)),
        ({"timeout_seconds": 7, "total_seconds": 1800}, {"timeout_seconds": 9, "total_seconds": 20}, (9, 9, 20, 20)),
        ({"total_seconds": 5}, {}, (5, 5, 5, 5)),
    ],
)
def test_a_limit_is_the_deployment_s_the_provider_s_or_the_general_one(
    setup: Setup, settings: Any, provider: dict[str, float], deployment: dict[str, float], limits: tuple[float, ...]
) -> None:
    settings.FIRST_BYTE_TIMEOUT, settings.STALL_TIMEOUT, settings.REQUEST_TIMEOUT = 60.0, 300.0, 600.0
    Provider.objects.filter(pk=setup.provider.pk).update(name=setup.provider.name, **provider)
    Deployment.objects.filter(pk=setup.deployment.pk).update(priority=0, **deployment)

    (target,) = setup.targets()

    found = (target.first_byte_timeout, target.plain_timeout, target.stall_timeout, target.total_timeout)
    assert found == limits


@pytest.mark.parametrize(("seconds", "thinking"), [(None, 300.0), (30.0, 0.0)])
def test_a_limit_that_an_operator_set_for_the_beginning_leaves_no_time_to_think(
    setup: Setup, settings: Any, seconds: float | None, thinking: float
) -> None:
    settings.STALL_TIMEOUT = 300.0
    Provider.objects.filter(pk=setup.provider.pk).update(timeout_seconds=seconds)

    assert setup.targets()[0].thinking_timeout == thinking


def test_a_call_may_take_as_long_as_its_slowest_deployment(setup: Setup) -> None:
    factories.make_deployment(setup.model, setup.provider, upstream_model="thinks", total_seconds=4000)

    route = setup.route()

    assert route is not None and route.longest == 4000


# What else is the provider's own


def test_headers_are_lower_case_and_in_no_representation(setup: Setup) -> None:
    Provider.objects.filter(pk=setup.provider.pk).update(extra_headers={"X-Title": "very-secret"})

    (target,) = setup.targets()

    assert target.extra_headers == {"x-title": "very-secret"}
    assert "very-secret" not in repr(target)


@pytest.mark.parametrize(
    ("probe_path", "url"),
    [("", "https://api.example.com/base/v1/models"), ("/health", "https://api.example.com/health"), ("off", None)],
)
def test_a_probe_asks_for_the_models_or_for_a_path_on_the_same_server(
    setup: Setup, probe_path: str, url: str | None
) -> None:
    Provider.objects.filter(pk=setup.provider.pk).update(
        base_url="https://api.example.com/base/v1", probe_path=probe_path
    )

    assert setup.targets()[0].probe_url == url


def test_one_of_several_providers_leaves_connections_to_the_others(setup: Setup, settings: Any) -> None:
    settings.MAX_CONNECTIONS = 100
    alone = setup.targets()[0].max_connections
    factories.make_provider()
    shared = setup.targets()[0].max_connections
    Provider.objects.filter(pk=setup.provider.pk).update(max_connections=3)

    assert (alone, shared, setup.targets()[0].max_connections) == (100, 50, 3)


def test_who_asks_is_told_by_a_key_of_the_provider_s_own_or_not_at_all(setup: Setup) -> None:
    key = setup.targets()[0].pseudonym_key
    Provider.objects.filter(pk=setup.provider.pk).update(identity="none")

    assert key and setup.targets()[0].pseudonym_key == b""


# Secrets


def test_a_credential_that_does_not_open_is_left_out_and_named(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    other = factories.make_credential(setup.provider, secret="other-secret", label="other")
    ciphertext = Credential.objects.get(pk=setup.credential.pk).ciphertext
    Credential.objects.filter(pk=other.pk).update(ciphertext=ciphertext)

    with caplog.at_level(logging.ERROR):
        labels = [secret.label for secret in setup.targets()[0].secrets]

    assert labels == [setup.credential.label]
    assert f"{setup.provider.name} / other" in caplog.text
    assert SECRET not in caplog.text and ciphertext not in caplog.text


def test_no_representation_shows_a_secret(setup: Setup) -> None:
    whole: Catalogue = load_catalogue()

    (target,) = setup.targets()

    for value in (whole, whole.routes[setup.model.name], target, target.secrets, target.secrets[0]):
        assert SECRET not in repr(value) and SECRET not in str(value)


# Who may use what


def test_a_course_has_the_models_that_it_allows_by_name(course: Course) -> None:
    for name in ("zeta", "alpha", "mid"):
        factories.make_model(name=factories.unique(name), course=course)
    factories.make_model()

    found = [route.name for route in load_catalogue().of(course.pk)]

    assert [name.split("-")[0] for name in found] == ["alpha", "mid", "zeta"]


def test_a_course_that_allows_nothing_has_nothing(course: Course) -> None:
    factories.make_model()

    assert load_catalogue().of(course.pk) == []


def test_a_disabled_model_is_not_among_a_course_s_models(setup: Setup) -> None:
    Model.objects.filter(pk=setup.model.pk).update(is_enabled=False)

    assert load_catalogue().of(setup.course.pk) == []


@pytest.mark.parametrize(("is_own", "allowed"), [(True, True), (False, False)])
def test_only_the_courses_that_allow_a_model_may_use_it(setup: Setup, is_own: bool, allowed: bool) -> None:
    course = setup.course if is_own else factories.make_course()

    assert load_catalogue().allows(course.pk, setup.model.name) is allowed


def test_the_snapshot_loads_the_catalogue(setup: Setup) -> None:
    snapshot = catalogue()

    snapshot.refresh(1)

    assert setup.model.name in snapshot.current.routes
