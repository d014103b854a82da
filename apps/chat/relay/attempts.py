"""Attempts: asks one candidate after the other until an answer begins.

An answer begins with its first content; a plain one, once it has been read whole. Until then nothing has reached the
student, so whatever goes wrong is one failed attempt, and the next candidate is asked.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Mapping

from apps.chat.call import Accepted, ChatCall
from apps.chat.dialects.protocol import AnswerReader
from apps.chat.relay import failures
from apps.providers.adapters.protocol import ELSEWHERE, Adapter, Outgoing, Upstream, UpstreamBroken, UpstreamRefused
from apps.providers.routing import Candidate, plan

logger = logging.getLogger(__name__)
_rng = random.Random()  # noqa: S311  # spreads load; it need not be unpredictable


class Attempts:
    """The attempts at one answer. `failed` are those that failed so far."""

    def __init__(
        self, call: ChatCall, adapters: Mapping[str, Adapter], *, output: int, guidance: tuple[str, ...]
    ) -> None:
        self._call, self._adapters = call, adapters
        self._output, self._guidance = output, guidance
        self.failed: list[UpstreamRefused] = []

    async def first_answer(self) -> Accepted:
        """Ask until an answer begins. Raises the GatewayError of a call that nobody answers."""
        for candidate in plan(self._call.route, rng=_rng):
            try:
                return await self._attempt(candidate)
            except UpstreamRefused as error:
                self.failed.append(error)
                provider = candidate.target.provider
                logger.warning("Call %s: %s refused (%s): %s", self._call.id, provider, error.reason, error)
                if error.reason not in ELSEWHERE:
                    break
        raise failures.failure_of(self._call, self.failed)

    async def _attempt(self, candidate: Candidate) -> Accepted:
        """Ask one candidate, which has to begin its answer within its limit. Raises UpstreamRefused."""
        seconds = candidate.target.first_byte_timeout
        try:
            async with asyncio.timeout(seconds):
                upstream = await self._adapters[candidate.target.adapter].open(candidate, self._outgoing(candidate))
                return await self._begun(upstream, candidate)
        except TimeoutError as error:
            raise UpstreamRefused("too_slow", detail=f"No answer began within {seconds:g} seconds.") from error
        except UpstreamBroken as error:
            raise UpstreamRefused("broken", detail=str(error)) from error

    def _outgoing(self, candidate: Candidate) -> Outgoing:
        call, target = self._call, candidate.target
        body = call.dialect.upstream_body(
            call.body,
            model=target.upstream_model,
            output=self._output,
            output_cap=target.output_cap,
            is_stream=call.is_stream,
            guidance=self._guidance,
        )
        return Outgoing(
            dialect=call.dialect.name, body=body, is_stream=call.is_stream, request_id=call.id, trace=call.trace
        )

    async def _begun(self, upstream: Upstream, candidate: Candidate) -> Accepted:
        """The answer, once it has begun. Closes the upstream if it does not."""
        reader = self._reader()
        chunks = upstream.chunks()
        try:
            first, broken = await _beginning(chunks, reader)
        except BaseException:
            upstream.close()
            raise
        return Accepted(upstream, candidate, len(self.failed) + 1, reader, first=first, rest=chunks, broken=broken)

    def _reader(self) -> AnswerReader:
        dialect = self._call.dialect
        if self._call.is_stream:
            return dialect.stream_reader(wants_usage=self._call.wants_usage)
        return dialect.plain_reader()


async def _beginning(chunks: AsyncIterator[bytes], reader: AnswerReader) -> tuple[bytes, UpstreamBroken | None]:
    """Read up to the first content, or to the end. Returns the events up to there, and what broke off behind them.

    Raises UpstreamBroken if there is no answer: an error, nothing, or something that is none.
    """
    blocks: list[bytes] = []
    async for chunk in chunks:
        try:
            blocks.append(reader.feed(chunk))
        except UpstreamBroken as error:
            if not reader.has_content:
                raise
            return b"".join((*blocks, error.kept)), error
        if reader.has_content or reader.is_done:
            break
    if not reader.has_content:
        reader.end()
    return b"".join(blocks), None
