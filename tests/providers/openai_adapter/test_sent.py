"""What the adapter for OpenAI's API sends, and which answers it accepts."""

import pytest

from apps.providers.adapters.openai import OpenAIAdapter
from tests.provider_stub import ProviderStub
from tests.providers.openai_adapter.calls import BODY, opened, read

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
