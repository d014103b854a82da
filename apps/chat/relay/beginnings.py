"""The beginning of an answer: its first content, or all of a plain one. Until then, nothing has reached the student."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from apps.chat.call import Accepted
from apps.chat.dialects.protocol import AnswerReader
from apps.providers.adapters.protocol import Upstream, UpstreamBroken, UpstreamRefused
from apps.providers.failures import refusal_in
from apps.providers.routing import Candidate


async def begin(
    upstream: Upstream, candidate: Candidate, reader: AnswerReader, *, attempts: int, limit: asyncio.Timeout
) -> Accepted:
    """The answer, once it has begun within the limit. Closes the upstream if it does not. Raises UpstreamBroken.

    A model that has sent an event may think for as long as its deployment says, each time anew.
    """
    chunks, thinking = upstream.chunks(), candidate.target.thinking_timeout

    def has_come() -> None:
        if thinking and reader.has_events:
            limit.reschedule(asyncio.get_running_loop().time() + thinking)

    try:
        first, broken = await _beginning(chunks, reader, has_come)
    except BaseException:
        upstream.close()
        raise
    return Accepted(upstream, candidate, attempts, reader, first=first, rest=chunks, broken=broken)


async def _beginning(
    chunks: AsyncIterator[bytes], reader: AnswerReader, has_come: Callable[[], None]
) -> tuple[bytes, UpstreamBroken | None]:
    """Read up to the first content, or to the end. Returns the events up to there, and what broke off behind them.

    Says after each chunk without content that it `has_come`. Raises UpstreamBroken if there is no answer: an error,
    nothing, or something that is none.
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
        has_come()
    if not reader.has_content:
        reader.end()
    return b"".join(blocks), None


def refusal(broken: UpstreamBroken, *, now: datetime) -> UpstreamRefused:
    """The refusal that an answer is which broke off before it had begun."""
    if broken.error is not None:
        return refusal_in(broken.error, now=now)
    return UpstreamRefused("empty" if broken.is_empty else "broken", detail=str(broken))
