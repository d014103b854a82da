"""The beginning of an answer: its first content, or all of a plain one. Until then, nothing has reached the student."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime

from apps.chat.call import Accepted
from apps.chat.dialects.protocol import AnswerReader
from apps.providers.adapters.protocol import Upstream, UpstreamBroken, UpstreamRefused
from apps.providers.failures import refusal_in
from apps.providers.routing import Candidate


class Patience:
    """The limit for the beginning of an answer. `ends_at` is that of the whole answer, by the monotonic clock.

    A model that has sent an event may think for `thinking` seconds, each time anew; with 0 the limit stays.
    """

    def __init__(self, limit: asyncio.Timeout, thinking: float, *, ends_at: float) -> None:
        self._limit, self._thinking, self._ends_at = limit, thinking, ends_at

    def thinks(self) -> None:
        if self._thinking:
            seconds = min(self._thinking, self._ends_at - time.monotonic())
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)


async def begin(
    upstream: Upstream, candidate: Candidate, reader: AnswerReader, patience: Patience, *, attempts: int
) -> Accepted:
    """The answer, once it has begun. Closes the upstream if it does not. Raises UpstreamBroken."""
    chunks = upstream.chunks()
    try:
        first, broken = await _beginning(chunks, reader, patience)
    except BaseException:
        upstream.close()
        raise
    return Accepted(upstream, candidate, attempts, reader, first=first, rest=chunks, broken=broken)


async def _beginning(
    chunks: AsyncIterator[bytes], reader: AnswerReader, patience: Patience
) -> tuple[bytes, UpstreamBroken | None]:
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
        if reader.has_content:
            return b"".join(blocks), None
        if reader.is_done:
            break
        if reader.has_events:
            patience.thinks()
    reader.end()
    return b"".join(blocks), None


def refusal(broken: UpstreamBroken, *, now: datetime) -> UpstreamRefused:
    """The refusal that an answer is which broke off before it had begun."""
    if broken.error is not None:
        return refusal_in(broken.error, now=now)
    return UpstreamRefused("empty" if broken.is_empty else "broken", detail=str(broken))
