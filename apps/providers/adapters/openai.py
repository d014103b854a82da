"""The adapter for every server with OpenAI's chat completions API."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from apps.common.causes import why
from apps.common.clients import (
    ConnectFailed,
    ConnectionBroken,
    NonFree,
    RelayClient,
    RelayError,
    RelayResponse,
    Share,
)
from apps.common.lenient_json import dumps
from apps.providers.adapters import bodies
from apps.providers.adapters.protocol import Outgoing, Reason, Upstream, UpstreamBroken, UpstreamRefused
from apps.providers.failures import refusal_of
from apps.providers.routing import Candidate

ERROR_TIMEOUT = 5.0  # seconds for the body of an error, whose status says most of it


class OpenAIAdapter:
    def __init__(self, client: RelayClient) -> None:
        self._client = client

    async def open(self, candidate: Candidate, outgoing: Outgoing) -> Upstream:
        target = candidate.target
        seconds = target.limit_of_first_byte(is_stream=outgoing.is_stream)
        try:
            response = await self._client.request(
                "POST",
                f"{target.base_url}/chat/completions",
                body=dumps(outgoing.body),
                headers=_headers(candidate, outgoing),
                patience=seconds / 2,  # so that what is left of the time is the provider's
                allow_private=target.allow_private,
                share=Share(target.provider, target.max_connections),
                may_repeat=True,  # nothing of an answer has come, and another provider would be asked as well
            )
        except RelayError as error:
            detail = why(error, url=target.base_url) or str(error)
            raise UpstreamRefused(_reason(error), detail=detail) from error
        if response.status != 200:
            raise await _refusal(response, outgoing, seconds=seconds)
        coding = response.headers.get("content-encoding", "")
        if coding and not bodies.can_read(coding):  # everything else is judged by its bytes
            response.close()
            raise UpstreamRefused("error", detail=f"Answered in the encoding '{coding[:20]}', which was not asked for.")
        return OpenAIUpstream(response, coding, is_stream=outgoing.is_stream)


class OpenAIUpstream:
    def __init__(self, response: RelayResponse, coding: str, *, is_stream: bool) -> None:
        self._response, self._coding, self._is_stream = response, coding, is_stream
        self._body: bodies.AnswerBody | None = None  # known from the first block on
        self.provider_request_id = response.headers.get("x-request-id", "")[:200]

    def chunks(self) -> AsyncIterator[bytes]:
        return self

    def __aiter__(self) -> "OpenAIUpstream":
        return self

    async def __anext__(self) -> bytes:
        try:
            if self._body is not None:
                block = await self._body.read()
            else:
                block, self._body = await bodies.begun(self._response, self._coding, is_stream=self._is_stream)
        except ConnectionBroken as error:
            broken = UpstreamBroken(str(error))
            broken.is_cut = True
            raise broken from error
        if not block:
            raise StopAsyncIteration
        return block

    def close(self) -> None:
        self._response.close()


def _headers(candidate: Candidate, outgoing: Outgoing) -> dict[str, str]:
    headers = {
        "user-agent": "stoa",
        **candidate.target.extra_headers,
        "content-type": "application/json",
        "accept": "text/event-stream" if outgoing.is_stream else "application/json",
        "accept-encoding": "identity",
        "x-request-id": outgoing.request_id,
        **outgoing.trace.headers(),
    }
    if candidate.secret is not None:
        headers["authorization"] = f"Bearer {candidate.secret.text}"
    return headers


def _reason(error: RelayError) -> Reason:
    if isinstance(error, ConnectFailed):
        return "busy" if isinstance(error, NonFree) else "unreachable"
    return "broken"


async def _refusal(response: RelayResponse, outgoing: Outgoing, *, seconds: float) -> UpstreamRefused:
    """Classify a status other than 200. Bounds how much of the body is read, and for how long."""
    try:
        coding = response.headers.get("content-encoding", "")
        body = await bodies.beginning(response, coding, seconds=min(seconds, ERROR_TIMEOUT))
    finally:
        response.close()
    return refusal_of(response.status, response.headers, body, now=datetime.now(UTC), added=outgoing.added)
