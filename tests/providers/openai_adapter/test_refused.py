"""What the adapter for OpenAI's API takes for a refusal."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from apps.providers.adapters.openai import OpenAIAdapter
from apps.providers.adapters.protocol import ELSEWHERE, Outgoing, UpstreamBroken, UpstreamRefused
from tests.provider_stub import ProviderStub
from tests.providers.openai_adapter.calls import SECRET, STREAM, a_candidate, opened, read, refusal_of

STATUSES = [
    *((status, "request") for status in (400, 415, 422)),
    *((status, "credential") for status in (401, 403)),
    *((402, "billing"), (404, "missing"), (413, "too_large"), (429, "rate")),
    *((status, "error") for status in (201, 202, 301, 302, 307, 308, 405, 408, 409, 418, 500, 502, 503, 504, 529)),
]


@pytest.mark.parametrize(("status", "reason"), STATUSES)
@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "plain"])
async def test_every_other_status_is_a_refusal(
    adapter: OpenAIAdapter, stub: ProviderStub, status: int, reason: str, is_stream: bool
) -> None:
    stub.will(status=status, body=b"{}", headers={"location": "http://127.0.0.1:1/"})

    refused = await refusal_of(adapter, stub, is_stream=is_stream)

    assert (refused.reason, refused.status) == (reason, status)
    assert (refused.reason in ELSEWHERE) == (reason != "request")
    assert len(stub.journal) == 1


NAMED: list[tuple[Any, str, str]] = [
    ({"error": {"code": "context_length_exceeded", "param": "messages"}}, "context_length_exceeded", "messages"),
    ({"error": {"code": None, "param": "messages[0].content"}}, "", "messages[0].content"),
    ({"error": {"code": "our account acct_1 is closed", "param": "see https://x"}}, "", ""),
    ({"error": {"code": "<script>", "param": 3}}, "", ""),
    ({"error": {"code": "x" * 61, "param": ""}}, "", ""),
    ({"error": {"code": 400, "param": ["a"]}}, "", ""),
    ({"error": "text"}, "", ""),
    ({"error": None}, "", ""),
    ([], "", ""),
    ("not json", "", ""),
]


@pytest.mark.parametrize(("body", "code", "param"), NAMED)
async def test_of_an_error_only_identifiers_are_taken(
    adapter: OpenAIAdapter, stub: ProviderStub, body: Any, code: str, param: str
) -> None:
    stub.will(status=400, body=b"not json" if body == "not json" else json.dumps(body).encode())

    refused = await refusal_of(adapter, stub)

    assert (refused.code, refused.param) == (code, param)


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_of_what_the_provider_says_nothing_but_identifiers_is_kept(
    adapter: OpenAIAdapter, stub: ProviderStub, status: int
) -> None:
    error = {"message": f"'my private essay' is refused for {SECRET.text}", "code": "too_long", "param": "messages[0]"}
    stub.will(status=status, body=json.dumps({"error": error}).encode())

    refused = await refusal_of(adapter, stub)

    assert refused.detail == f"Answered {status}, too_long, messages[0]"


async def test_an_error_that_breaks_off_is_classified_all_the_same(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.will(status=401, half_body=True)

    assert (await refusal_of(adapter, stub)).reason == "credential"


@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "plain"])
async def test_an_answer_that_nobody_can_decode_is_refused(
    adapter: OpenAIAdapter, stub: ProviderStub, is_stream: bool
) -> None:
    stub.will(headers={"content-encoding": "br"})

    assert (await refusal_of(adapter, stub, is_stream=is_stream)).reason == "error"


@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "plain"])
async def test_a_web_page_is_no_answer(adapter: OpenAIAdapter, stub: ProviderStub, is_stream: bool) -> None:
    stub.will(headers={"content-type": "text/html"}, body=b"<html>")
    upstream = await opened(adapter, stub, is_stream=is_stream)

    with pytest.raises(UpstreamBroken, match="markup"):
        await read(upstream)


async def test_an_error_instead_of_a_stream_is_handed_on(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.will(body=b'{"error": {"message": "x", "code": 429}}')
    upstream = await opened(adapter, stub, is_stream=True)

    with pytest.raises(UpstreamBroken) as caught:
        await read(upstream)

    assert caught.value.error == {"error": {"message": "x", "code": 429}}


async def test_a_refusal_may_be_compressed(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.will(status=429, gzip=True, body=b'{"error": {"code": "insufficient_quota"}}')

    assert (await refusal_of(adapter, stub)).reason == "billing"


async def test_a_refusal_says_when_to_ask_again(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.will(
        status=429, headers={"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)}
    )

    assert (await refusal_of(adapter, stub)).retry_after == pytest.approx(60, abs=3)


async def test_a_parameter_that_was_added_is_known_as_such(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.will(status=400, body=b'{"error": {"param": "stream_options"}}')
    outgoing = Outgoing(
        dialect="openai_chat", body=STREAM, is_stream=True, request_id="r", added=frozenset({"stream_options"})
    )

    with pytest.raises(UpstreamRefused) as caught:
        await adapter.open(a_candidate(stub.base_url), outgoing)

    assert (caught.value.reason, caught.value.param) == ("added", "stream_options")
