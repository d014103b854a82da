"""Passes an answer on: meters what the provider sends, applies rules, and delivers it."""

import logging

from apps.chat.call import Accepted
from apps.chat.dialects.protocol import AnswerReader
from apps.chat.guardrails.streams import Guard
from apps.chat.relay.delivery import Delivery
from apps.chat.relay.failures import INTERRUPTED
from apps.chat.relay.stopping import STALLED, Stopping
from apps.common.errors import GatewayError, InternalError
from apps.providers.adapters.protocol import AnswerTooLong, UpstreamBroken

logger = logging.getLogger(__name__)

_ENDED_BY_THE_PROVIDER = (INTERRUPTED, STALLED)  # what has come until then is charged, so it is delivered


async def pass_on(
    answer: Accepted, guard: Guard | None, *, delivery: Delivery, stopping: Stopping, most_text: int
) -> None:
    """Pass on a stream that has begun. Returns when the provider has completed it.

    An answer of more than `most_text` bytes is broken off. Raises UpstreamBroken, and what the guard raises.
    """
    reader = answer.reader
    if reader.recorded.text_bytes > most_text:
        raise _too_long(most_text, dropped=reader.recorded.text_bytes)
    await delivery.put(await _guarded(answer.first, guard))
    stopping.progressed()
    if answer.broken is not None:
        raise answer.broken
    if reader.is_done:
        stopping.complete()
    try:
        await _pass_rest(answer, guard, delivery=delivery, stopping=stopping, most_text=most_text)
    except UpstreamBroken as error:
        if not (error.is_cut and _is_whole(reader)):
            raise
    reader.end()


async def _pass_rest(
    answer: Accepted, guard: Guard | None, *, delivery: Delivery, stopping: Stopping, most_text: int
) -> None:
    reader = answer.reader
    async for chunk in answer.rest:
        stopping.received()
        passed_on = reader.recorded.text_bytes
        try:
            block = reader.feed(chunk)
        except UpstreamBroken as error:
            if error.kept:  # it is charged, so it is delivered
                await delivery.put(await _guarded(error.kept, guard))
            raise
        if reader.recorded.text_bytes > most_text:
            raise _too_long(most_text, dropped=reader.recorded.text_bytes - passed_on)
        if block := await _guarded(block, guard):
            await delivery.put(block)
            stopping.progressed()
        if reader.is_done:
            stopping.complete()


def _is_whole(reader: AnswerReader) -> bool:
    try:
        reader.end()
    except UpstreamBroken:
        return False
    return True


async def clear(
    guard: Guard, failure: GatewayError | None, *, body: bytes | None, delivery: Delivery
) -> tuple[GatewayError | None, bytes]:
    """Release what the rules held back. Returns the failure, if there is one now, and a plain answer as it may go."""
    cleared = b""
    try:
        if failure is None and body is not None:
            cleared = await guard.whole(body)
        elif failure is None or failure.code in _ENDED_BY_THE_PROVIDER:
            await delivery.put_last(await guard.end())
    except GatewayError as error:
        failure = error
    except Exception:
        logger.exception("An answer could not be looked at")
        failure = InternalError()
    await guard.give_up()
    return failure, cleared


def _too_long(most_text: int, *, dropped: int) -> AnswerTooLong:
    error = AnswerTooLong(f"The answer is longer than {most_text} bytes, far beyond its output cap.")
    error.dropped = dropped
    return error


async def _guarded(block: bytes, guard: Guard | None) -> bytes:
    return await guard.feed(block) if block and guard is not None else block
