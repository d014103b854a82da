"""A queue between a pump and its response, and blocks that fill it."""

import asyncio

from apps.chat.accounting.reservations import Reservation
from apps.chat.call import Accepted
from apps.chat.dialects.openai_chat import OPENAI_CHAT
from apps.chat.relay.delivery import QUEUE_BYTES, Delivery
from apps.chat.relay.head import AnswerHead
from apps.providers.adapters.echo import EchoUpstream
from apps.providers.adapters.protocol import Outgoing
from apps.providers.routing import Candidate
from apps.rules.rulebook import Verdict
from tests.chat.unit.values import a_target

SECONDS = 5.0
FULL = 8  # blocks that fill the queue
BLOCK = b"x" * (QUEUE_BYTES // FULL)


def a_head(body: bytes | None = None) -> AnswerHead:
    outgoing = Outgoing(
        dialect="openai_chat", body={"messages": [{"role": "user", "content": "x"}]}, is_stream=True, request_id="r"
    )
    upstream, reader = EchoUpstream(outgoing, model="m"), OPENAI_CHAT.stream_reader(wants_usage=False)
    opened = Accepted(upstream, Candidate(a_target(), None), 1, reader, first=b"", rest=upstream.chunks())
    reservation = Reservation(amount=1, input_estimate=1, floor=1, output=1, is_capped=False, balances=())
    return AnswerHead(opened, reservation, Verdict(), (), body)


async def settle() -> None:
    """Let every other task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def filled(delivery: Delivery) -> "asyncio.Task[None]":
    """Put in more than it holds; the task that waits to put in the rest."""

    async def put_all() -> None:
        for number in range(FULL + 1):
            await delivery.put(b"%d" % number + BLOCK)

    task = asyncio.create_task(put_all())
    await settle()
    return task
