"""The adapter for every server with OpenAI's chat completions API."""

import asyncio
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime

import orjson

from apps.common.clients import ConnectFailed, ConnectionBroken, RelayClient, RelayError, RelayResponse, TooSlow
from apps.providers.adapters.protocol import Outgoing, Reason, Upstream, UpstreamBroken, UpstreamRefused
from apps.providers.failures import refusal_of
from apps.providers.routing import Candidate

MAX_ERROR_BYTES = 64 * 1024


class OpenAIAdapter:
    def __init__(self, client: RelayClient) -> None:
        self._client = client

    async def open(self, candidate: Candidate, outgoing: Outgoing) -> Upstream:
        target = candidate.target
        seconds = target.limit_of_first_byte(is_stream=outgoing.is_stream)
        headers = {
            "user-agent": "stoa",
            **target.extra_headers,
            "content-type": "application/json",
            "accept": "text/event-stream" if outgoing.is_stream else "application/json",
            "accept-encoding": "identity",
            "x-request-id": outgoing.request_id,
            **outgoing.trace.headers(),
        }
        if candidate.secret is not None:
            headers["authorization"] = f"Bearer {candidate.secret.text}"
        try:
            response = await self._client.request(
                "POST",
                f"{target.base_url}/chat/completions",
                body=orjson.dumps(outgoing.body),
                headers=headers,
                first_byte_timeout=seconds,
                allow_private=target.allow_private,
            )
        except RelayError as error:
            raise UpstreamRefused(_reason(error), detail=str(error)) from error
        if response.status != 200:
            raise await _refusal(response, seconds=seconds, added=outgoing.added)
        _check_form(response, is_stream=outgoing.is_stream)
        return OpenAIUpstream(response)


class OpenAIUpstream:
    def __init__(self, response: RelayResponse) -> None:
        self._response = response
        self.provider_request_id = response.headers.get("x-request-id", "")[:200]

    def chunks(self) -> AsyncIterator[bytes]:
        return self

    def __aiter__(self) -> "OpenAIUpstream":
        return self

    async def __anext__(self) -> bytes:
        try:
            block = await self._response.read()
        except ConnectionBroken as error:
            raise UpstreamBroken(str(error)) from error
        if not block:
            raise StopAsyncIteration
        return block

    def close(self) -> None:
        self._response.close()


def _reason(error: RelayError) -> Reason:
    if isinstance(error, ConnectFailed):
        return "unreachable"
    return "too_slow" if isinstance(error, TooSlow) else "broken"


def _check_form(response: RelayResponse, *, is_stream: bool) -> None:
    """Refuse an answer of the wrong type or encoding before any of it reaches the student."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    wanted = "text/event-stream" if is_stream else "application/json"
    if encoding != "identity" or kind != wanted:
        response.close()
        raise UpstreamRefused("error", detail=f"Answered {kind or 'no type'} ({encoding}) instead of {wanted}.")


async def _refusal(response: RelayResponse, *, seconds: float, added: Collection[str]) -> UpstreamRefused:
    """Classify a status other than 200. Bounds how much of the body is read, and for how long."""
    try:
        body = await _read_some(response, seconds=seconds)
    finally:
        response.close()
    return refusal_of(response.status, response.headers, body, now=datetime.now(UTC), added=added)


async def _read_some(response: RelayResponse, *, seconds: float) -> bytes:
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            while size < MAX_ERROR_BYTES and (block := await response.read()):
                parts.append(block)
                size += len(block)
    except (ConnectionBroken, TimeoutError):
        pass  # the status and what has arrived are enough to classify it
    return b"".join(parts)[:MAX_ERROR_BYTES]
