"""Attempts: asks one candidate after the other until an answer begins.

An answer begins with its first content; a plain one, once it has been read whole. Until then nothing has reached the
student, so whatever goes wrong is one failed attempt, and the next candidate is asked.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime

from apps.chat.call import Accepted, ChatCall
from apps.chat.dialects.protocol import AnswerReader
from apps.chat.relay import failures
from apps.chat.relay.failover import left_after
from apps.providers import routing
from apps.providers.adapters.protocol import Adapter, Outgoing, Upstream, UpstreamBroken, UpstreamRefused
from apps.providers.failures import refusal_in
from apps.providers.health.memory import Health
from apps.providers.pseudonyms import pseudonym
from apps.providers.routing import Candidate, plan

logger = logging.getLogger(__name__)
_rng = random.Random()  # noqa: S311  # spreads load; it need not be unpredictable


class Attempts:
    """The attempts at one answer. `failed` are those that failed so far, `reader` that of the one under way."""

    def __init__(
        self,
        call: ChatCall,
        adapters: Mapping[str, Adapter],
        health: Health,
        *,
        output: int,
        guidance: tuple[str, ...],
    ) -> None:
        self._call, self._adapters, self._health = call, adapters, health
        self._output, self._guidance = output, guidance
        self.failed: list[UpstreamRefused] = []
        self.reader: AnswerReader | None = None

    @property
    def has_events(self) -> bool:
        """Whether the candidate that is being asked has sent an event of a stream."""
        return self.reader is not None and self.reader.has_events

    async def first_answer(self) -> Accepted:
        """Ask until an answer begins, which is then `in_flight`. Raises the error of a call that nobody answers."""
        route = self._call.route
        left = plan(route, self._health, datetime.now(UTC), _rng)
        while left:
            candidate, *left = left
            try:
                return await self._judged(candidate)
            except UpstreamRefused as error:
                self.failed.append(error)
                provider = candidate.target.provider
                logger.warning("Call %s: %s refused (%s): %s", self._call.id, provider, error.reason, error)
                left = left_after(error, candidate, left)
        wait = routing.wait(route, self._health, datetime.now(UTC))
        raise failures.failure_of(self._call, self.failed, wait=wait)

    @contextlib.contextmanager
    def in_flight(self, answer: Accepted) -> Iterator[None]:
        """An answer is in flight until its last byte, and may still break off. Closes it at its end."""
        try:
            yield
        except UpstreamBroken as error:
            self._health.failed(answer.candidate, error, now=datetime.now(UTC))
            raise
        finally:
            answer.upstream.close()
            self._health.ended(answer.candidate)

    async def _judged(self, candidate: Candidate) -> Accepted:
        self._health.began(candidate)
        try:
            answer = await self._attempt(candidate)
        except BaseException as error:
            if isinstance(error, UpstreamRefused):
                self._health.failed(candidate, error, now=datetime.now(UTC))
            self._health.ended(candidate)
            raise
        self._health.answered(candidate, now=datetime.now(UTC))
        return answer

    async def _attempt(self, candidate: Candidate) -> Accepted:
        """Ask one candidate, which has to begin its answer within its limit. Raises UpstreamRefused."""
        seconds = candidate.target.limit_of_first_byte(is_stream=self._call.is_stream)
        try:
            async with asyncio.timeout(seconds):
                upstream = await self._adapters[candidate.target.adapter].open(candidate, self._outgoing(candidate))
                return await self._begun(upstream, candidate)
        except TimeoutError as error:
            raise UpstreamRefused("too_slow", detail=f"No answer began within {seconds:g} seconds.") from error
        except UpstreamBroken as error:
            raise _refusal(error) from error

    def _outgoing(self, candidate: Candidate) -> Outgoing:
        call, target = self._call, candidate.target
        body = call.dialect.upstream_body(
            call.body,
            model=target.upstream_model,
            output=self._output,
            output_cap=target.output_cap,
            is_stream=call.is_stream,
            guidance=self._guidance,
            adds_cap=target.sends_output_cap or self._output < call.route.max_output_tokens,
            asks_for_usage=target.stream_options != "no",
            pseudonym=pseudonym(target.pseudonym_key, call.principal.membership_id),
        )
        return Outgoing(
            dialect=call.dialect.name,
            body=body,
            is_stream=call.is_stream,
            request_id=call.id,
            trace=call.trace,
            added=frozenset(body.keys() - call.body.keys()),
        )

    async def _begun(self, upstream: Upstream, candidate: Candidate) -> Accepted:
        """The answer, once it has begun. Closes the upstream if it does not."""
        self.reader = reader = self._new_reader()
        chunks = upstream.chunks()
        try:
            first, broken = await _beginning(chunks, reader)
        except BaseException:
            upstream.close()
            raise
        return Accepted(upstream, candidate, len(self.failed) + 1, reader, first=first, rest=chunks, broken=broken)

    def _new_reader(self) -> AnswerReader:
        dialect = self._call.dialect
        if self._call.is_stream:
            return dialect.stream_reader(wants_usage=self._call.wants_usage)
        return dialect.plain_reader()


def _refusal(broken: UpstreamBroken) -> UpstreamRefused:
    """The refusal that an answer is which broke off before its first content."""
    if broken.error is not None:
        return refusal_in(broken.error, now=datetime.now(UTC))
    return UpstreamRefused("empty" if broken.is_empty else "broken", detail=str(broken))


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
