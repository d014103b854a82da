"""The behaviours that the stub knows by name mean to the adapter and the reader what they say."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from apps.chat.dialects.openai_chat.answer import PlainReader, StreamReader
from apps.common.clients import RelayClient
from apps.providers.adapters.openai import OpenAIAdapter
from apps.providers.adapters.protocol import Outgoing, UpstreamBroken, UpstreamRefused
from apps.providers.failures import refusal_in
from apps.quotas.weights import Tokens
from tests.provider_stub import ProviderStub
from tests.provider_stub.behaviours import BEHAVIOURS
from tests.providers.openai_adapter.calls import BODY, LIMITS, STREAM, a_candidate

CASES = [(name, form) for name, named in BEHAVIOURS.items() for form in named.forms]
SILENCE = 0.75  # long enough to hear what comes before it, on a busy machine
OURS = frozenset({"stream_options", "max_tokens", "max_completion_tokens"})


@pytest.fixture(scope="module")
def one_stub() -> Iterator[ProviderStub]:
    with ProviderStub() as stub:
        yield stub


@pytest.fixture
async def adapter() -> AsyncIterator[OpenAIAdapter]:
    client = RelayClient(LIMITS)
    yield OpenAIAdapter(client)
    await client.close()


@pytest.mark.parametrize(("name", "form"), CASES)
async def test_a_behaviour_means_what_it_says(
    adapter: OpenAIAdapter, one_stub: ProviderStub, name: str, form: str
) -> None:
    named = BEHAVIOURS[name]
    one_stub.reset()
    one_stub.will(**named.does)
    reader = StreamReader(wants_usage=True) if form == "stream" else PlainReader()

    is_silent = named.does.keys() & {"pause_after", "hang_before_first_byte"}
    seconds = SILENCE if is_silent else 30.0
    means, reason = await met(adapter, one_stub, reader, is_stream=form == "stream", seconds=seconds)

    assert means == named.means
    if named.reason:
        assert reason == named.reason
    if named.means == "answer" and form == "stream":
        assert reader.recorded.text() == named.words
    if named.tokens is not None:
        given, cached, output = named.tokens
        assert reader.usage == Tokens(input=given, cached_input=cached, output=output)


async def met(
    adapter: OpenAIAdapter,
    stub: ProviderStub,
    reader: StreamReader | PlainReader,
    *,
    is_stream: bool,
    seconds: float,
) -> tuple[str, str]:
    """What it means, and for what reason it is none."""
    body = {**(STREAM if is_stream else BODY), "max_tokens": 9, "max_completion_tokens": 9}
    outgoing = Outgoing(dialect="openai_chat", body=body, is_stream=is_stream, request_id="r", added=OURS)
    try:
        async with asyncio.timeout(seconds):
            upstream = await adapter.open(a_candidate(stub.base_url), outgoing)
            try:
                async for chunk in upstream.chunks():
                    reader.feed(chunk)
                reader.end()
            finally:
                upstream.close()
    except UpstreamRefused as error:
        return error.reason if error.reason in ("request", "added") else "nothing", error.reason
    except UpstreamBroken as error:
        if error.is_cut and reader.is_done:
            return "answer", ""
        reason = refusal_in(error.error).reason if error.error is not None else ""
        return "breaks" if reader.has_content else "nothing", reason
    except TimeoutError:
        return "breaks" if reader.has_content else "nothing", "too_slow"
    return "answer", ""
