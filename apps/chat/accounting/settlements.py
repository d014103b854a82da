"""Settling: charges and records an answer in one transaction, at its end."""

import asyncio
import logging
from datetime import UTC, datetime
from typing import NamedTuple

from apps.chat.accounting import journal, metrics, outbox, records
from apps.chat.accounting.books import Books
from apps.chat.accounting.charges import Charge, Ending, Seen, charge
from apps.chat.accounting.estimates import text_bytes, weights_of
from apps.chat.accounting.journal import JournalEntry
from apps.chat.accounting.reservations import Reservation
from apps.chat.call import Accepted, ChatCall
from apps.chat.idempotency.claims import ClaimEnd
from apps.common.commit import StoreAway
from apps.conversations.call_rows import AttemptRow, Record
from apps.quotas.ledger.movements import Balance, Ended, Release, Settle
from apps.rules.rulebook import Verdict

logger = logging.getLogger(__name__)

RETRY_PAUSES = (0.1, 0.3)  # enough for a restart of the database; the student should not wait longer


class Closed(NamedTuple):
    """An answer that has ended: what was asked and held, the answer if it had begun, and how it ended.

    `relayed_bytes` counts the text until the client left, or all of it.
    """

    call: ChatCall
    verdict: Verdict
    reservation: Reservation
    accepted: Accepted | None
    attempts: tuple[AttemptRow, ...]
    relayed_bytes: int
    ending: Ending
    error_code: str
    may_have_been_sent: bool
    started_at: datetime
    first_byte_ms: int | None
    duration_ms: int


class Settled(NamedTuple):
    """What was charged, and the balances after it."""

    charged: int
    balances: tuple[Balance, ...]


async def settle(books: Books, closed: Closed, *, kept: ClaimEnd | None = None) -> Settled:
    """Charge and record. During a database outage the settlement is kept on disk instead.

    `kept` ends the claim of a call with an Idempotency-Key.
    """
    cost = cost_of(books, closed)
    _learn(books, closed, cost)
    metrics.ended(
        ending=closed.ending,
        error_code=closed.error_code,
        reserved=closed.reservation.amount,
        charged=cost.amount,
    )
    metrics.found(closed.verdict.hits)
    now = datetime.now(UTC)
    call = closed.call
    movement = Release(hold=call.id, now=now) if cost.is_free else Settle(hold=call.id, charge=cost.amount, now=now)
    outcome = await _commit(books, JournalEntry(movement, record_of(closed, cost), kept=kept), call=call.id)
    held = closed.reservation.balances
    if not isinstance(outcome, Ended):
        return Settled(cost.amount, held)
    changed = zip(held, outcome.totals, strict=True)
    return Settled(cost.amount, tuple([Balance(balance.account, *totals) for balance, totals in changed]))


async def _commit(books: Books, unit: JournalEntry, *, call: str) -> object:
    """The outcome, or None if the database is down and the unit was kept instead."""
    for pause in RETRY_PAUSES:
        try:
            return await books.writer.submit(journal.apply, unit)
        except StoreAway:
            await asyncio.sleep(pause)
    await outbox.put(books.spool, unit, call=call)
    logger.warning("Call %s is settled as soon as the database is back", call)
    return None


def cost_of(books: Books, closed: Closed) -> Charge:
    relayed = books.ratios.estimate(closed.call.route.name, closed.relayed_bytes) if closed.relayed_bytes else 0
    # A plain answer that failed never reached the student. One that a rule stopped was complete.
    reached = relayed if closed.call.is_stream or closed.ending in ("answered", "blocked") else 0
    reader = closed.accepted.reader if closed.accepted is not None else None
    seen = Seen(
        ending=closed.ending,
        was_sent=closed.may_have_been_sent,
        reported=reader.usage if reader is not None else None,
        input_estimate=closed.reservation.input_estimate,
        relayed_estimate=reached,
        text_bytes=closed.relayed_bytes if reached else 0,
        held=closed.reservation.amount,
        is_final=reader is not None and reader.is_usage_final,
    )
    return charge(seen, weights_of(closed.call))


def _learn(books: Books, closed: Closed, cost: Charge) -> None:
    """Improve the next estimates by the provider's count of the prompt. Images would distort the ratio of text."""
    usage = closed.accepted.reader.usage if closed.accepted is not None else None
    if usage is None or cost.is_estimated or cost.is_free or closed.call.media_tokens:
        return
    size = text_bytes(closed.call.size, closed.verdict.guidance)
    books.ratios.learn(closed.call.route.name, size=size, tokens=usage.input)


def record_of(closed: Closed, cost: Charge) -> Record:
    accepted = closed.accepted
    target = accepted.candidate.target if accepted else None
    row = records.row_of(
        closed.call,
        now=closed.started_at,
        provider=target.provider if target else "",
        upstream_model=target.upstream_model if target else "",
        attempts=accepted.attempts if accepted else len(closed.attempts),
        status=closed.ending,
        error_code=closed.error_code,
        input_tokens=cost.tokens.input,
        cached_input_tokens=cost.tokens.cached_input,
        output_tokens=cost.tokens.output,
        charged=cost.amount,
        is_estimated=cost.is_estimated,
        first_byte_ms=closed.first_byte_ms,
        duration_ms=closed.duration_ms,
    )
    is_of_interest = len(closed.attempts) > 1 or closed.ending == "failed"
    return Record(row, records.hit_rows(closed.call, closed.verdict), closed.attempts if is_of_interest else ())
