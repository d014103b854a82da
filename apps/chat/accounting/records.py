"""Records calls, including refused ones."""

import logging
from datetime import UTC, datetime
from typing import Any

from apps.chat.accounting import journal, metrics, outbox
from apps.chat.accounting.books import Books
from apps.chat.accounting.journal import JournalEntry
from apps.chat.accounting.transcripts import Transcript
from apps.chat.call import ChatCall
from apps.common.commit import StoreAway
from apps.common.errors import GatewayError
from apps.conversations.call_rows import CallRow, HitRow, Record
from apps.rules.rulebook import Verdict

logger = logging.getLogger(__name__)


def row_of(call: ChatCall, *, now: datetime, status: str = "answered", **more: Any) -> CallRow:
    """The row of a call. `more` sets columns that differ from those of a call that has just begun."""
    principal = call.principal
    return CallRow(
        id=call.id,
        course_id=principal.course_id,
        membership_id=principal.membership_id,
        api_key_id=principal.key_id,
        model=call.model,
        is_stream=call.is_stream,
        status=status,
        started_at=now,
        **more,
    )


def hit_rows(call: ChatCall, verdict: Verdict) -> tuple[HitRow, ...]:
    """The hits to record: none if the course logs nothing."""
    if not verdict.hits or call.principal.logging == "off":
        return ()
    return tuple(
        HitRow(
            call_id=call.id,
            rule_id=hit.rule.id,
            name=hit.rule.name,
            action=hit.rule.action,
            stage=hit.rule.stage,
            message=hit.part,
            start=hit.start,
            end=hit.end,
            version=hit.rule.version,
            direction=hit.direction,
        )
        for hit in verdict.hits
    )


async def refused(
    books: Books, call: ChatCall, verdict: Verdict, error: GatewayError, *, status: str, now: datetime
) -> None:
    """Record a call that was refused before anything was sent, with its prompt."""
    took = int((datetime.now(UTC) - now).total_seconds() * 1000)
    row = row_of(call, now=now, status=status, error_code=error.code, duration_ms=took)
    Transcript(call, spool=books.spool, known_ends=books.known_ends).finish(None)
    metrics.found(verdict.hits)
    unit = JournalEntry(record=Record(row, hit_rows(call, verdict)))
    try:
        await books.writer.submit(journal.apply, unit)
    except StoreAway:
        await outbox.put(books.spool, unit, call=call.id)
