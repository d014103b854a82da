"""Asking a provider: what is wrong with it, in a sentence that an operator can act on."""

from dataclasses import replace
from typing import Any

import pytest

from apps.providers.probes.asking import ask, ask_all
from apps.providers.probes.findings import Finding
from tests.common.relay.raw import serving
from tests.provider_stub import ProviderStub
from tests.provider_stub.stub import MODELS
from tests.providers.probing import KEY, found, routed, subject


async def test_a_provider_that_lists_its_models_is_well(stub: ProviderStub) -> None:
    probe = await found(stub.base_url)

    assert (probe.is_well, probe.finding.models) == (True, ("stub-model", "stub-large-2026-01-31"))
    assert probe.latency_ms is not None
    asked = stub.checks[-1]
    assert (asked.method, asked.path) == ("GET", "/v1/models")
    assert (asked.headers["authorization"], asked.headers["x-title"]) == (f"Bearer {KEY}", "Stoa")


@pytest.mark.parametrize(("path", "asked"), [("/health", "/health"), ("health", "/v1/health")])
async def test_a_path_of_its_own_is_asked(stub: ProviderStub, path: str, asked: str) -> None:
    stub.lists(body=b"ok")

    probe = await found(stub.base_url, path=path)

    assert (probe.is_well, stub.checks[-1].path) == (True, asked)


async def test_a_wrong_path_of_its_own_is_named(stub: ProviderStub) -> None:
    stub.lists(status=404, body=None)

    finding = (await found(stub.base_url, path="/healthz")).finding

    assert finding.sentence == "The probe path answers 404. Correct it, or leave it empty."


SPELLINGS: list[Any] = [
    b'\xef\xbb\xbf{"data": [{"id": "small"}]}',
    b'[{"id": "small"}]',
    b'{"models": [{"name": "small"}]}',
    b'{"models": ["small"]}',
]


@pytest.mark.parametrize("body", SPELLINGS)
async def test_a_list_of_models_may_be_spelled_otherwise(stub: ProviderStub, body: bytes) -> None:
    stub.lists(body=body)

    assert (await found(stub.base_url)).finding.models == ("small",)


async def test_a_name_that_quotes_our_key_is_none(stub: ProviderStub) -> None:
    stub.lists(body=b'{"data": [{"id": "small"}, {"id": "x-%s"}]}' % KEY.encode())

    assert (await found(stub.base_url)).finding.models == ("small",)


STATUSES: list[Any] = [
    (401, "credential", "does not accept the key"),
    (402, "billing", "no credit left"),
    (403, "forbidden", "Check its permissions"),
    (429, "rate", "refuses for now"),
    (500, "error", "error of its own"),
    (503, "error", "overloaded or down"),
    (418, "strange", "answered 418"),
    (308, "missing", "redirects elsewhere"),
]


@pytest.mark.parametrize(("status", "trouble", "sentence"), STATUSES)
async def test_a_status_says_what_is_wrong(stub: ProviderStub, status: int, trouble: str, sentence: str) -> None:
    stub.lists(status=status, body=None, headers={"location": "http://127.0.0.1:1/"})

    finding = (await found(stub.base_url)).finding

    assert finding.trouble == trouble
    assert sentence in finding.sentence
    assert "acct_secret" not in finding.sentence


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("", "/v1"),
        ("/v1/chat/completions", "/v1"),
        ("/v1", "/api/v1"),
        ("/v2", "/openai/v1"),
        ("/openai/v1", "/openai"),
    ],
)
async def test_a_wrong_address_is_answered_with_the_one_that_works(typed: str, right: str) -> None:
    async with serving(routed({f"{right}/models".encode(): MODELS})) as server:
        root = f"http://127.0.0.1:{server.port}"
        finding = (await found(root + typed)).finding

    assert f"{root}{right} answers: is that the base URL?" in finding.sentence
    assert finding.trouble == "missing"


async def test_a_web_page_is_not_a_list_of_models() -> None:
    async with serving(routed({b"/models": b"<!doctype html><p>Hello</p>"})) as server:
        finding = (await found(f"http://127.0.0.1:{server.port}")).finding

    assert "a web page instead of a list" in finding.sentence
    assert "most end in /v1" in finding.sentence


async def test_a_provider_without_a_list_can_be_left_alone(stub: ProviderStub) -> None:
    stub.lists(status=404, body=None)

    assert "set the path of its probe to “off”" in (await found(stub.base_url)).finding.sentence


@pytest.mark.parametrize(
    "wanted", ["stub-model", "stub-large-2026-01-31", "stub-large", "models/stub-model", "stub-model:free"]
)
async def test_a_listed_model_is_found_by_its_usual_names(stub: ProviderStub, wanted: str) -> None:
    assert (await found(stub.base_url, upstream_models=(wanted,))).is_well


async def test_a_model_that_is_not_listed_is_named(stub: ProviderStub) -> None:
    finding = (await found(stub.base_url, upstream_models=("stub-modl", "other"))).finding

    assert finding.trouble == "models"
    assert "does not list “stub-modl” and 1 more. Did you mean “stub-model”?" in finding.sentence


# Many


async def test_many_are_asked_at_once_and_keep_their_order(stub: ProviderStub) -> None:
    stub.lists(body=MODELS, delay=0.2)
    subjects = [subject(stub.base_url), *[subject("http://127.0.0.1:1/v1")] * 2, subject(stub.base_url)]

    probes = await ask_all(subjects)

    assert [probe.is_well for probe in probes] == [True, False, False, True]


async def test_a_hindrance_is_all_there_is_to_say(stub: ProviderStub) -> None:
    hindered = replace(subject(stub.base_url), hindrance=Finding(trouble="secret", sentence="No secret."))

    assert (await ask(hindered)).finding.sentence == "No secret."
    assert stub.checks == []
