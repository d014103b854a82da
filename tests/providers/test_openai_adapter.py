"""The adapter for OpenAI's API, against a provider that misbehaves."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from apps.common.clients import RelayClient, RelayLimits
from apps.providers.adapters.bodies import MAX_ERROR_BYTES
from apps.providers.adapters.openai import OpenAIAdapter
from apps.providers.adapters.protocol import ELSEWHERE, Outgoing, Upstream, UpstreamBroken, UpstreamRefused
from apps.providers.catalogue import Secret
from apps.providers.routing import Candidate
from tests.provider_stub import ProviderStub
from tests.providers.test_routing import a_target

SECRET = Secret(id=1, label="main", text="provider-secret", weight=1)
BODY = {"model": "up", "messages": [{"role": "user", "content": "Hello"}], "novelty": {"deep": [None]}}
STREAM = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
LIMITS = RelayLimits(connect_timeout=2, pool_timeout=2, keepalive_expiry=5, max_connections=10)
SECONDS = 5.0


@pytest.fixture
async def client() -> AsyncIterator[RelayClient]:
    client = RelayClient(LIMITS)
    yield client
    await client.close()


@pytest.fixture
def adapter(client: RelayClient) -> OpenAIAdapter:
    return OpenAIAdapter(client)


def a_candidate(base_url: str, *, secret: Secret | None = SECRET, **overrides: Any) -> Candidate:
    seconds = overrides.get("first_byte_timeout", 3.0)
    limits = {"first_byte_timeout": seconds, "plain_timeout": seconds}
    values = {"base_url": base_url, "allow_private": True, **limits, **overrides}
    return Candidate(a_target("stub", **values), secret)


async def opened(adapter: OpenAIAdapter, stub: ProviderStub, *, is_stream: bool = False, **overrides: Any) -> Upstream:
    outgoing = Outgoing(
        dialect="openai_chat", body=STREAM if is_stream else BODY, is_stream=is_stream, request_id="req-1"
    )
    return await adapter.open(a_candidate(stub.base_url, **overrides), outgoing)


async def refusal_of(adapter: OpenAIAdapter, stub: ProviderStub, **options: Any) -> UpstreamRefused:
    with pytest.raises(UpstreamRefused) as caught:
        await opened(adapter, stub, **options)
    return caught.value


async def read(upstream: Upstream) -> bytes:
    async with asyncio.timeout(SECONDS):
        try:
            return b"".join([chunk async for chunk in upstream.chunks()])
        finally:
            upstream.close()


# What is sent


async def test_the_body_goes_out_as_it_is(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    await read(await opened(adapter, stub))

    assert (stub.last.method, stub.last.path, stub.last.body) == ("POST", "/v1/chat/completions", BODY)


async def test_headers_of_the_provider_s_own_are_added_but_take_nothing_s_place(
    adapter: OpenAIAdapter, stub: ProviderStub
) -> None:
    extra = {"x-title": "Stoa", "user-agent": "campus", "accept": "nothing"}

    await read(await opened(adapter, stub, extra_headers=extra))

    headers = stub.last.headers
    assert (headers["x-title"], headers["user-agent"], headers["accept"]) == ("Stoa", "campus", "application/json")


@pytest.mark.parametrize(("is_stream", "accept"), [(True, "text/event-stream"), (False, "application/json")])
async def test_the_headers_are_ours_and_no_others(
    adapter: OpenAIAdapter, stub: ProviderStub, is_stream: bool, accept: str
) -> None:
    await read(await opened(adapter, stub, is_stream=is_stream))

    headers = dict(stub.last.headers)
    assert headers.pop("host") and headers.pop("content-length")
    assert headers.pop("traceparent").startswith("00-")
    assert headers == {
        "content-type": "application/json",
        "accept": accept,
        "accept-encoding": "identity",
        "user-agent": "stoa",
        "x-request-id": "req-1",
        "authorization": "Bearer provider-secret",
    }


async def test_without_a_credential_there_is_no_authorization(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    await read(await opened(adapter, stub, secret=None))

    assert "authorization" not in stub.last.headers


async def test_cookies_are_not_kept(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.always(headers={"set-cookie": "session=1; Path=/"})

    for _ in range(2):
        await read(await opened(adapter, stub))

    assert len(stub.journal) == 2
    assert all("cookie" not in exchange.headers for exchange in stub.journal)


# What is accepted


@pytest.mark.parametrize("is_stream", [True, False])
async def test_an_answer_is_given_byte_by_byte(adapter: OpenAIAdapter, stub: ProviderStub, is_stream: bool) -> None:
    stub.will(text="Hyvää päivää 👋")

    answer = await read(await opened(adapter, stub, is_stream=is_stream))

    assert "päivää" in answer.decode()
    assert answer.endswith(b"data: [DONE]\n\n") == is_stream


KINDS = [
    *("text/event-stream", "Text/Event-Stream; charset=utf-8", "application/json", "application/json; charset=utf-8"),
    *("text/plain", "text/html", "application/x-ndjson", "", "nonsense"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "plain"])
async def test_an_answer_may_have_any_label(
    adapter: OpenAIAdapter, stub: ProviderStub, is_stream: bool, kind: str
) -> None:
    stub.will(headers={"content-type": kind})

    answer = await read(await opened(adapter, stub, is_stream=is_stream))

    assert b"Hello" in answer


@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "plain"])
async def test_a_compressed_answer_is_decompressed(adapter: OpenAIAdapter, stub: ProviderStub, is_stream: bool) -> None:
    stub.will(gzip=True)

    answer = await read(await opened(adapter, stub, is_stream=is_stream))

    assert b"Hello" in answer


async def test_the_provider_s_own_request_id_is_kept_within_bounds(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.will(headers={"x-request-id": "r" * 1000})

    upstream = await opened(adapter, stub)

    assert upstream.provider_request_id == "r" * 200
    upstream.close()


# What is refused

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


# Trouble on the way


async def test_a_provider_that_is_not_there_is_unreachable(adapter: OpenAIAdapter) -> None:
    with ProviderStub() as gone:
        pass

    assert (await refusal_of(adapter, gone)).reason == "unreachable"


async def test_a_private_address_that_is_not_allowed_is_unreachable(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    refused = await refusal_of(adapter, stub, allow_private=False)

    assert refused.reason == "unreachable"
    assert stub.journal == []


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_provider_that_does_not_begin_is_left_when_the_caller_gives_up(
    adapter: OpenAIAdapter, stub: ProviderStub, is_stream: bool
) -> None:
    stub.will(hang_before_first_byte=True)
    started = time.monotonic()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await opened(adapter, stub, is_stream=is_stream)

    assert time.monotonic() - started < 20
    assert await asyncio.to_thread(stub.last.over.wait, 5)
    assert stub.last.left


async def test_an_error_whose_body_never_comes_is_classified_by_its_status(adapter: OpenAIAdapter) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 100\r\n\r\n{")
        await reader.read()  # until we hang up
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    address = "http://{}:{}/v1".format(*server.sockets[0].getsockname())
    outgoing = Outgoing(dialect="openai_chat", body=BODY, is_stream=False, request_id="req-1")

    async with asyncio.timeout(SECONDS):
        with pytest.raises(UpstreamRefused) as caught:
            await adapter.open(a_candidate(address, first_byte_timeout=0.2), outgoing)

    server.close()
    assert (caught.value.reason, caught.value.status) == ("error", 500)


async def test_a_provider_that_hangs_up_is_broken(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.will(reset=True)

    assert (await refusal_of(adapter, stub)).reason == "broken"


async def test_a_provider_without_a_free_connection_is_busy(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.will(pause_after=1)
    upstream = await opened(adapter, stub, is_stream=True, max_connections=1)

    refused = await refusal_of(adapter, stub, max_connections=1, first_byte_timeout=0.1)

    upstream.close()
    assert refused.reason == "busy"


@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "plain"])
async def test_a_kept_connection_that_closes_without_a_byte_is_replaced(
    adapter: OpenAIAdapter, stub: ProviderStub, is_stream: bool
) -> None:
    await read(await opened(adapter, stub))
    stub.will(close=True)

    assert b"Hello" in await read(await opened(adapter, stub, is_stream=is_stream))
    assert [exchange.connection for exchange in stub.journal] == [1, 1, 2]


async def test_a_new_connection_that_closes_without_a_byte_is_not(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.will(close=True)

    assert (await refusal_of(adapter, stub)).reason == "broken"
    assert len(stub.journal) == 1


BREAKS = [(True, {"cut_after": 2}), (False, {"half_body": True})]


@pytest.mark.parametrize(("is_stream", "behaviour"), BREAKS, ids=["stream", "plain"])
async def test_an_answer_that_is_cut_is_broken(
    adapter: OpenAIAdapter, stub: ProviderStub, is_stream: bool, behaviour: dict[str, Any]
) -> None:
    stub.will(**behaviour)
    upstream = await opened(adapter, stub, is_stream=is_stream)

    with pytest.raises(UpstreamBroken):
        await read(upstream)


async def test_closing_stops_the_provider(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.will(pause_after=1)
    upstream = await opened(adapter, stub, is_stream=True)
    await anext(upstream.chunks())

    upstream.close()

    assert await asyncio.to_thread(stub.last.over.wait, SECONDS)
    assert stub.last.left


async def test_closing_after_the_end_is_harmless(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    upstream = await opened(adapter, stub)
    await read(upstream)

    upstream.close()


async def test_a_refusal_leaves_no_connection_open(
    client: RelayClient, adapter: OpenAIAdapter, stub: ProviderStub
) -> None:
    behaviours: list[dict[str, Any]] = [{"reset": True}, {"status": 500}, {"status": 400}]
    behaviours.append({"status": 400, "body": b"x" * 10 * MAX_ERROR_BYTES})
    for behaviour in behaviours:
        stub.will(**behaviour)
        await refusal_of(adapter, stub)

    assert client.open_connections() == 0


async def test_no_secret_is_in_what_is_logged_of_a_refusal(adapter: OpenAIAdapter, stub: ProviderStub) -> None:
    stub.will(status=500)

    refused = await refusal_of(adapter, stub)

    assert SECRET.text not in f"{refused} {refused!r} {refused.detail}"
