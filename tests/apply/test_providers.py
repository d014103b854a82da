"""Providers in files: what operators are told of an address, and what does not follow to another server."""

from pathlib import Path

import pytest

from apps.providers.models import Deployment, Provider
from tests.apply.conftest import Operator

PROVIDER = """
providers:
  - name: lab
    base_url: "%s"
    %s
"""
HOME = "https://api.example.com/v1"


def headers() -> dict[str, str]:
    found: dict[str, str] = Provider.objects.get(name="lab").extra_headers
    return found


def test_every_setting_of_a_provider_and_a_deployment_arrives(operator: Operator) -> None:
    operator.apply(
        """
providers:
  - {name: lab, base_url: "https://api.example.com/v1", stall_seconds: 900, total_seconds: 1800, max_connections: 20,
     output_cap: max_completion_tokens, adds_output_cap: false, stream_options: no, hosting: contracted,
     region: eu-north, identity: none, probe_path: off, extra_headers: {X-Title: Stoa, X-Number: 5}}
models:
  - {name: m, hosting: contracted, region: eu, refused_parameters: [service_tier, store],
     deployments: [{provider: lab, upstream_model: x, total_seconds: 9, context_window: 8192, max_concurrent: 2,
                    force: drain}]}
"""
    )

    lab, deployment = Provider.objects.get(name="lab"), Deployment.objects.get()
    assert (lab.stream_options, lab.identity, lab.probe_path, lab.adds_output_cap) == ("no", "none", "off", False)
    assert (lab.hosting, lab.region, lab.max_connections) == ("contracted", "eu-north", 20)
    assert lab.extra_headers == {"X-Title": "Stoa", "X-Number": "5"}
    assert (deployment.force, deployment.context_window, deployment.max_concurrent) == ("drain", 8192, 2)
    assert (deployment.model.hosting, deployment.model.region) == ("contracted", "eu")
    assert deployment.model.refused_parameters == "service_tier\nstore"


def test_the_example_on_the_page_of_providers_applies(operator: Operator) -> None:
    page = Path("docs/providers.md").read_text()
    operator.environment |= {"CAMPUS_KEY": "first", "CLOUD_KEY": "second"}

    shown = operator.apply(page.partition("```yaml")[2].partition("```")[0])

    assert not [line for line in shown if line[0] != "+"]


def test_null_takes_a_demand_back(operator: Operator) -> None:
    operator.apply("courses: [{slug: c, title: C, hosting: own, region: eu}]")

    shown = operator.apply("courses: [{slug: c, title: C, hosting: null, region: null}]")

    assert shown == ['~ course c: hosting own -> "", region eu -> ""']


def test_no_value_of_a_header_is_shown(operator: Operator) -> None:
    operator.apply(PROVIDER % (HOME, "extra_headers: {X-Key: 4711}"))

    shown = operator.apply(PROVIDER % (HOME, "extra_headers: {X-Key: 0815, X-Title: Stoa}"))

    assert shown == ["~ provider lab: extra_headers {X-Key} -> {X-Key, X-Title}"]


def test_headers_do_not_follow_to_another_server(operator: Operator) -> None:
    operator.apply(PROVIDER % (HOME, "extra_headers: {X-Key: 4711}"))

    operator.apply(PROVIDER % ("https://elsewhere.example/v1", ""))

    assert headers() == {}


def test_headers_that_the_file_gives_for_the_new_server_stay(operator: Operator) -> None:
    given = "extra_headers: {X-Key: 4711}"
    operator.apply(PROVIDER % (HOME, given))

    operator.apply(PROVIDER % ("https://elsewhere.example/v1", given))

    assert headers() == {"X-Key": "4711"}


def test_an_address_without_a_version_is_taken_with_a_warning(operator: Operator) -> None:
    shown = operator.apply(PROVIDER % ("https://api.example.com/inference", ""))

    assert shown[0] == "+ provider lab"
    assert shown[1].startswith("! provider lab: The address has no version such as /v1.")
    assert operator.apply(PROVIDER % ("https://api.example.com/inference", "")) == ["= nothing to change"]


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("extra_headers: {Authorization: Bearer x}", "“Authorization” cannot be set here"),
        ("extra_headers: [X-Title]", "must be a mapping of names to values."),
        ("hosting: cloud", "must be one of: own, contracted, external."),
        ("region: the EU", "Enter a valid “slug”"),
        ("probe_path: health", "begins with one slash"),
        ("max_connections: 0", "must be a whole number, 1 or more."),
    ],
)
def test_a_mistake_is_told_at_its_field(operator: Operator, field: str, told: str) -> None:
    (line,) = operator.refused(PROVIDER % (HOME, field))

    assert line.startswith(f"stoa.yaml:5: providers[0].{field.partition(':')[0]}: ") and told in line


def test_an_address_with_the_endpoint_is_refused_with_the_right_one(operator: Operator) -> None:
    (line,) = operator.refused(PROVIDER % (f"{HOME}/chat/completions", ""))

    assert line == f"stoa.yaml:4: providers[0].base_url: Leave out the endpoint, which Stoa adds: write {HOME}."
