"""Passes an answer on: meters what the provider sends, applies rules, and delivers it."""

from apps.chat.dialects.protocol import AnswerReader
from apps.chat.guardrails.streams import Guard
from apps.chat.relay.delivery import Delivery
from apps.chat.relay.stopping import Stopping
from apps.providers.adapters.protocol import Upstream, UpstreamBroken


async def pass_on(
    upstream: Upstream,
    *,
    meter: AnswerReader,
    guard: Guard | None,
    delivery: Delivery,
    stopping: Stopping,
    most_text: int,
) -> None:
    """Return when the provider has completed its answer. A plain one is collected in the meter.

    An answer of more than `most_text` bytes is broken off. Raises UpstreamBroken, and what the guard raises.
    """
    async for chunk in upstream.chunks():
        stopping.received()
        try:
            block = meter.feed(chunk)
        except UpstreamBroken as error:
            if error.kept:  # it is charged, so it is delivered
                await delivery.put(await _guarded(error.kept, guard))
            raise
        if meter.recorded.text_bytes > most_text:
            raise UpstreamBroken(f"The answer is longer than {most_text} bytes, far beyond its output cap.")
        if block := await _guarded(block, guard):
            await delivery.put(block)
            stopping.progressed()
        if meter.is_done:
            stopping.complete()
    meter.end()


async def _guarded(block: bytes, guard: Guard | None) -> bytes:
    return await guard.feed(block) if block and guard is not None else block
