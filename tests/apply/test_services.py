"""Services in a file: validated whole, shown as a difference, applied as one version each."""

import pytest

from apps.services.models import Service
from tests import factories
from tests.apply.conftest import Operator

USERS = """
services:
  - name: users                           # /svc/users/...
    instances: [{url: "http://127.0.0.1:9300", weight: 1}, {url: "http://127.0.0.1:9301", weight: 1}]
    allow_private_network: true
    callers: [student, staff, service]    # or anonymous
    requests_per_minute: 600              # for each caller
    health_check: {path: /health, interval_seconds: 5}
    connect_timeout_seconds: 1
    first_byte_timeout_seconds: 10
    max_body_bytes: 2000000000
"""
ONE = "services:\n  - {name: users, allow_private_network: true, instances: [{url: 'http://10.0.0.1'}], %s}\n"
WHOLE = """
services:
  - name: library
    prefix: library/search
    owner: The library
    version: "2.1"
    tags: [books]
    documentation: https://docs.example.edu/library
    enabled: yes
    callers: [anonymous]
    courses: [physics]
    cors_origins: ["https://app.example.edu"]
    sends_identity: false
    balancing: least
    slow_start_seconds: 5
    instances: [{url: "https://a.example.edu/v1/", weight: 2, draining: true, force: up}]
    health_check: {path: /health, interval_seconds: 0.5, timeout_seconds: 0.2, statuses: "200", good: 1, bad: 2}
    retry: {most: 0, statuses: [503]}
    breaker: {misses: 3, share: 0.25, at_least: 10, pause_seconds: 1, longest_seconds: 2}
    user_requests_per_minute: 5
    route_limits: [{methods: [POST], path: /reports, requests_per_minute: 10, burst: 2}]
    rewrites: [{from: /v2/, to: /api/v2/}]
    set_request_headers: {Authorization: Bearer of-the-library}
    remove_query: [debug]
    sample_percent: 10
"""


def stored(name: str) -> Service:
    return Service.objects.get(name=name)


def test_the_example_of_the_manual_applies_and_applies_again(operator: Operator) -> None:
    assert operator.apply(USERS) == [
        "+ service users",
        "+ instance http://127.0.0.1:9300 of service users",
        "+ instance http://127.0.0.1:9301 of service users",
    ]
    assert operator.apply(USERS) == ["= nothing to change"]
    service = stored("users")
    assert (service.prefix, service.health_path, service.requests_per_minute) == ("users", "/health", 600)
    assert [version.note for version in service.versions.all()] == ["applied from stoa.yaml"]


def test_a_service_with_everything_applies_and_applies_again(operator: Operator) -> None:
    factories.make_course(slug="physics")

    operator.apply(WHOLE)

    assert operator.apply(WHOLE) == ["= nothing to change"]
    document = stored("library").document()
    assert document["courses"] == ["physics"]
    assert document["instances"] == [
        {"url": "https://a.example.edu/v1", "weight": 2, "is_draining": True, "force": "up"}
    ]
    assert (document["retry_statuses"], document["breaker_share"], document["release"]) == ([503], 0.25, "2.1")
    assert document["rewrites"] == [{"from": "/v2/", "to": "/api/v2/"}]


def test_a_change_is_shown_without_values_that_may_be_secret(operator: Operator) -> None:
    operator.apply(ONE % "set_request_headers: {X-Key: first}")

    shown = operator.apply(ONE % "callers: [staff], burst: 5, set_request_headers: {X-Key: second}")

    assert shown == [
        "~ service users: callers [student, staff] -> [staff], burst none -> 5, set_request_headers {X-Key} -> {X-Key}"
    ]
    assert stored("users").versions.count() == 2


def test_a_rewrite_and_a_limit_are_shown_with_their_values(operator: Operator) -> None:
    operator.apply(ONE % "rewrites: [{from: /v1/, to: /}], route_limits: [{path: /a, burst: 1}]")

    changed = operator.apply(ONE % "rewrites: [{from: /v2/, to: /}], route_limits: [{methods: [POST], burst: 2}]")

    assert changed == [
        "~ service users: route_limits [{path: /a, burst: 1}] -> [{methods: [POST], burst: 2}], "
        "rewrites [{from: /v1/, to: /}] -> [{from: /v2/, to: /}]"
    ]


def test_what_the_file_omits_stays_unless_it_is_pruned(operator: Operator) -> None:
    factories.make_course(slug="physics")
    operator.apply(ONE % "courses: [physics], requests_per_minute: 5")
    factories.make_service(name="old")
    factories.make_instance(stored("users"), "http://10.0.0.2")
    fewer = ONE % "courses: []"

    assert operator.apply(fewer) == ["= nothing to change"]
    assert operator.apply(fewer, prune=True) == [
        "- service old",
        "- instance http://10.0.0.2 of service users",
        "- course physics of service users",
    ]
    assert [service.name for service in Service.objects.all()] == ["users"]
    assert stored("users").requests_per_minute == 5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ONE % "prefix: Users", "services[0].prefix: Write one to three words of small letters, digits and hyphens, "
         "with a slash between."),
        ("services:\n  - {name: batch}", "services[0].prefix: “batch” is reserved. Choose another address."),
        (ONE % "callers: [everybody]", "services[0].callers: List one or more of anonymous, service, staff, student."),
        (ONE % "courses: [none]", "services[0].courses[0]: there is no course “none”."),
        (ONE % "cors_origins: ['*']", "services[0].cors_origins: “*” is no origin. Write scheme and host in small "
         "letters, without a path, such as https://app.example.edu."),
        (ONE % "health_check: {path: health}", "services[0].health_check.path: Write a path that begins with a slash, "
         "such as /health, without spaces."),
        (ONE % "health_check: {statuses: 2xx}", "services[0].health_check.statuses: Write statuses and ranges of them, "
         "such as 200-299,401."),
        (ONE % "health_check: {interval: 5}", "services[0].health_check.interval: is not a known field; did you mean "
         "interval_seconds?"),
        (ONE % "retry: {statuses: [404]}", "services[0].retry.statuses: 404 is no answer to retry: list 429 or "
         "statuses from 500 to 599."),
        (ONE % "retry: {most: 9}", "services[0].retry.most: Ensure this value is less than or equal to 5."),
        (ONE % "breaker: {share: 2}", "services[0].breaker.share: must be a number from 0.01 to 1."),
        (ONE % "breaker: {pause_seconds: 500}", "services[0].breaker.pause_seconds: The first pause is longer than the "
         "longest."),
        (ONE % "rewrites: [{from: /a}]", "services[0].rewrites: must be a list of rewrites, each with from and to."),
        (ONE % "rewrites: [{from: a, to: /b}]", "services[0].rewrites: “a” is no beginning of a path: it must start "
         "with a slash."),
        (ONE % "set_request_headers: {Via: x}", "services[0].set_request_headers: “Via” cannot be changed here: the "
         "connection or Stoa decides it."),
        (ONE % "connect_timeout_seconds: 0", "services[0].connect_timeout_seconds: must be a number of seconds, 0.05 "
         "or more."),
        (ONE % "sample_percent: 101", "services[0].sample_percent: Ensure this value is less than or equal to 100."),
        (ONE % "instance: []", "services[0].instance: is not a known field; did you mean instances?"),
        ("services:\n  - {name: users, instances: [{url: 'http://10.0.0.1'}]}",
         "services[0].instances[0].url: 10.0.0.1 is not on the public internet. Allow addresses inside your own "
         "network for this service first."),
        ("services:\n  - {name: users, instances: [{url: users.example.edu}]}",
         "services[0].instances[0].url: The address must start with https:// or http://."),
        ("services:\n  - {name: a, instances: [{url: 'https://a.example'}, {url: 'https://a.example/'}]}",
         "services[0].instances: one of these addresses is given twice."),
        ("services:\n  - {name: a, prefix: x/y}\n  - {name: b, prefix: x}",
         "services[0].prefix: /svc/x/y is a part of /svc/x, which belongs to the service b."),
    ],
)  # fmt: skip
def test_a_mistake_names_the_line_and_the_field_and_changes_nothing(operator: Operator, text: str, told: str) -> None:
    assert f"stoa.yaml:2: {told}" in operator.refused(text)


def test_instances_that_the_file_does_not_name_are_looked_at_too(operator: Operator) -> None:
    factories.make_service("http://10.0.0.1", name="users")

    assert operator.refused("services:\n  - {name: users, allow_private_network: false}") == [
        "stoa.yaml:2: services[0].allow_private_network: http://10.0.0.1: 10.0.0.1 is not on the public internet. "
        "Allow addresses inside your own network for this service first."
    ]


def test_a_prefix_can_be_taken_over_from_a_service_that_is_pruned(operator: Operator) -> None:
    factories.make_service(name="old", prefix="users")
    text = "services:\n  - {name: users}"

    assert operator.refused(text) == ["stoa.yaml:2: services[0].prefix: The service old has this address already."]
    assert operator.apply(text, prune=True) == ["- service old", "+ service users"]


def test_two_services_do_not_swap_their_addresses_in_one_file(operator: Operator) -> None:
    factories.make_service(name="a", prefix="one")
    factories.make_service(name="b", prefix="two")

    assert operator.refused("services:\n  - {name: a, prefix: two}\n  - {name: b, prefix: one}") == [
        "stoa.yaml:2: services[0].prefix: b has this address now. Give it its new one first, with a file of its own.",
        "stoa.yaml:3: services[1].prefix: a has this address now. Give it its new one first, with a file of its own.",
    ]
