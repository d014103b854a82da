"""Recording: the row of a call, and of one that was refused."""

import logging
from dataclasses import replace
from datetime import UTC, datetime

from apps.chat.accounting import journal, outbox
from apps.chat.accounting.books import Books
from apps.chat.accounting.journal import JournalEntry
from apps.chat.accounting.transcripts import Transcript
from apps.chat.call import ChatCall
from apps.common.commit import StoreAway
from apps.common.errors import GatewayError
from apps.conversations.call_rows import CallRow, HitRow, Record
from apps.rules.rulebook import Verdict

logger = logging.getLogger(__name__)


def row_of(call: ChatCall, *, now: datetime, input_tokens: int = 0) -> CallRow:
    """The row of a call that has just begun."""
    principal = call.principal
    return CallRow(
        id=call.id,
        course_id=principal.course_id,
        membership_id=principal.membership_id,
        api_key_id=principal.key_id,
        model=call.model,
        is_stream=call.is_stream,
        status="answered",
        input_tokens=input_tokens,
        started_at=now,
    )


def hit_rows(call: ChatCall, verdict: Verdict) -> tuple[HitRow, ...]:
    """The hits as they are recorded; a course that logs nothing gets none."""
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
    """Write down a call that was refused before anything was sent, with its prompt."""
    took = int((datetime.now(UTC) - now).total_seconds() * 1000)
    row = replace(row_of(call, now=now), status=status, error_code=error.code, duration_ms=took)
    written = Transcript(call, spool=books.spool, known_ends=books.known_ends).finish(None)
    unit = JournalEntry(record=Record(row, hit_rows(call, verdict)))
    try:
        await books.writer.submit(journal.apply, unit, after=written)
    except StoreAway:
        await outbox.put(books.spool, unit, call=call.id)
