"""What operators may enter for a provider."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from apps.providers.models import Model
from apps.providers.validation import (
    validate_headers,
    validate_parameters,
    validate_probe_path,
    validate_upstream_model,
)

pytestmark = pytest.mark.django_db

HEADERS: list[tuple[Any, bool]] = [
    ({}, True),
    ({"X-Title": "Stoa", "HTTP-Referer": "https://stoa.example.edu/"}, True),
    ({"api-key": "0815"}, True),
    ({"User-Agent": "campus gateway"}, True),
    ({"X-Title": "two\r\nX-Other: lines"}, False),
    ({"X-Title": "two\nlines"}, False),
    ({"X-Title": " padded"}, False),
    ({"X-Title": ""}, False),
    ({"X-Title": "caf\u00e9"}, False),
    ({"X-Title": 5}, False),
    ({"X-Title": "a", "x-title": "b"}, False),
    ({"X Title": "a"}, False),
    ({"X-Title:": "a"}, False),
    ({"": "a"}, False),
    ({"Authorization": "Bearer 0815"}, False),
    ({"HOST": "other.example"}, False),
    ({"Content-Length": "5"}, False),
    ({"Transfer-Encoding": "chunked"}, False),
    ({"Connection": "close"}, False),
    ({"Accept-Encoding": "br"}, False),
    ({"X-Request-Id": "1"}, False),
    ({f"X-{number}": "a" for number in range(21)}, False),
    ({"X-Title": "a" * 5000}, False),
    (["X-Title"], False),
    ("X-Title: a", False),
]


@pytest.mark.parametrize(("headers", "is_good"), HEADERS, ids=[str(case[0])[:40] for case in HEADERS])
def test_headers_are_safe_to_send(headers: Any, is_good: bool) -> None:
    assert is_valid(validate_headers, headers) is is_good


def test_no_sentence_quotes_the_value_of_a_header() -> None:
    with pytest.raises(ValidationError) as caught:
        validate_headers({"X-Key": "0815\n4711"})

    assert "0815" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "is_good"),
    [("gpt-5", True), ("org/model:8b", True), ("with space", True), (" m", False), ("m\n", False), ("modèle", False)],
)
def test_the_name_of_an_upstream_model_is_safe_to_show(name: str, is_good: bool) -> None:
    assert is_valid(validate_upstream_model, name) is is_good


@pytest.mark.parametrize(
    ("path", "is_good"),
    [
        ("", True),
        ("off", True),
        ("/health", True),
        ("/v1/models?limit=1", True),
        ("health", False),
        ("/a b", False),
        ("/a\r\n", False),
        ("//other.example/", False),
        ("https://other.example/", False),
    ],
)
def test_a_probe_stays_on_the_provider_s_server(path: str, is_good: bool) -> None:
    assert is_valid(validate_probe_path, path) is is_good


def is_valid(validate: Callable[[Any], None], value: Any) -> bool:
    try:
        validate(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("names", "is_good"),
    [
        ("", True),
        ("service_tier", True),
        ("service_tier\r\nweb_search_options\n\n store ", True),
        ("service_tier, store", False),
        ("service-tier", False),
        ("x" * 61, False),
        ("store\nmodel", False),
        ("messages", False),
        ("max_tokens", False),
    ],
)
def test_parameters_that_are_refused_are_names_and_not_what_we_need(names: str, is_good: bool) -> None:
    try:
        validate_parameters(names)
        is_taken = True
    except ValidationError:
        is_taken = False

    assert is_taken == is_good


def test_parameters_are_kept_one_a_line() -> None:
    model = Model(name="m", refused_parameters="store\r\n\r\n service_tier\r\n")

    model.full_clean()

    assert model.refused_parameters == "store\nservice_tier"
