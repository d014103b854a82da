"""Finds the answer to a request that was sent before, instead of executing it again."""

import time
from collections.abc import Callable

from prometheus_client import Counter

from apps.chat.idempotency import claims, stored_answers
from apps.chat.idempotency.keys import Attempt, Claim, Repeatable, unkept
from apps.chat.idempotency.recent import R, RecentAnswers
from apps.chat.idempotency.stored_answers import StoredAnswer
from apps.common.commit import Writer

REPLAYED = "x-gateway-replayed"  # names the call whose answer this is
REPEATS = Counter("stoa_repeats_total", "Requests that got the answer of an earlier one, and cost nothing.", ["answer"])


async def earlier(
    attempt: Attempt, repeatable: Repeatable, *, writer: Writer, recent: RecentAnswers[R], on_wait: Callable[[], None]
) -> StoredAnswer | R | None:
    """The answer that this request repeats: a finished one, or one in progress. None: execute the request.

    Calls `on_wait` before it waits for another process. Raises a GatewayError for a key that is taken, and StoreAway.
    """
    found: StoredAnswer | R | None = None
    if repeatable.claim is not None:
        found = await _claimed(writer, repeatable.claim)
    elif repeatable.digest is not None and attempt.number:
        found = recent.find(repeatable.digest, now=time.monotonic())
        if found is None and recent.shared is not None:
            found = await recent.shared.find(repeatable.digest, on_wait=on_wait)
    elif repeatable.on_demand is not None and recent.has_orphans:
        found = recent.orphan(repeatable.on_demand())
    if found is not None:
        REPEATS.labels("replayed" if isinstance(found, StoredAnswer) else "joined").inc()
    return found


async def _claimed(writer: Writer, claim: Claim) -> StoredAnswer | None:
    taken = await writer.submit(claims.find, claim)
    if taken is None:
        return None
    if refusal := taken.refusal(claim):
        raise refusal
    stored = await stored_answers.unseal(taken.answer, claim=claim.id)
    if stored is None:
        raise unkept(taken.call)
    return stored
