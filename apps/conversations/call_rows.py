"""Rows of recorded calls, written in the transaction that settles them."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any, NamedTuple, get_type_hints

from apps.common.cursor import Cursor


class CallRow(NamedTuple):
    """One row of Call. Field names are column names."""

    id: str
    course_id: int
    membership_id: int
    api_key_id: int | None
    model: str
    status: str
    started_at: datetime
    provider: str = ""
    upstream_model: str = ""
    attempts: int = 0
    is_stream: bool = False
    error_code: str = ""
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    charged: int = 0
    is_estimated: bool = False
    first_byte_ms: int | None = None
    duration_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HitRow:
    """One row of RuleHit. Field names are column names."""

    call_id: str
    rule_id: int | None
    name: str
    action: str
    stage: str
    message: int
    start: int
    end: int
    version: int = 0
    direction: str = "prompt"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One row of CallAttempt. Field names are column names."""

    call_id: str
    number: int
    provider: str
    upstream_model: str
    outcome: str
    status: int = 0
    milliseconds: int = 0


class Record(NamedTuple):
    """A call with its rule hits, and with its attempts if they are of interest."""

    call: CallRow
    hits: tuple[HitRow, ...] = ()
    attempts: tuple[AttemptRow, ...] = ()


_KINDS = {str: "text", int: "bigint", bool: "boolean", datetime: "timestamptz", int | None: "bigint"}
_CALL_COLUMNS = {name: _KINDS[kind] for name, kind in get_type_hints(CallRow).items()}
# Written when the call begins, and never corrected.
_FIXED = {"course_id", "membership_id", "api_key_id", "model", "is_stream", "started_at"}
_CORRECTED = {name: kind for name, kind in _CALL_COLUMNS.items() if name not in _FIXED}
_HIT_COLUMNS = {name: _KINDS[kind] for name, kind in get_type_hints(HitRow).items()}
_ATTEMPT_COLUMNS = {name: _KINDS[kind] for name, kind in get_type_hints(AttemptRow).items()}
_CALL = "conversations_call"
_HAS_MEMBER = "(SELECT TRUE FROM accounts_membership WHERE id = new.membership_id)"
_MAY_BE_GONE = {"api_key_id": "accounts_apikey"}


def insert(cursor: Cursor, records: Sequence[Record]) -> None:
    """Insert the records in the cursor's transaction. Calls that exist already stay unchanged.

    Calls of deleted students are skipped, and references to deleted keys and rules become NULL. A row that is deleted
    concurrently makes PostgreSQL refuse the transaction; the writer then retries it.
    """
    with_more = [record for record in records if record.hits or record.attempts]
    without = [_stored(cursor, record.call) for record in records if not (record.hits or record.attempts)]
    if without:
        cursor.insert(_CALL, _CALL_COLUMNS, without, where=_HAS_MEMBER, found_in=_MAY_BE_GONE, or_ignore=True)
    if not with_more:
        return
    rows = [_stored(cursor, record.call) for record in with_more]
    # Only whoever inserts a call adds what belongs to it, since two processes may record the same one at once.
    new = cursor.insert_new(_CALL, _CALL_COLUMNS, rows, where=_HAS_MEMBER, found_in=_MAY_BE_GONE)
    hits = [astuple(hit) for record in with_more if record.call.id in new for hit in record.hits]
    if hits:
        cursor.insert("conversations_rulehit", _HIT_COLUMNS, hits, found_in={"rule_id": "rules_rule"})
    attempts = [astuple(attempt) for record in with_more if record.call.id in new for attempt in record.attempts]
    if attempts:
        cursor.insert("conversations_attempt", _ATTEMPT_COLUMNS, attempts)


_STARTED = list(_CALL_COLUMNS).index("started_at")


def _stored(cursor: Cursor, row: CallRow) -> list[Any]:
    stored = [*row]
    stored[_STARTED] = cursor.instant(row.started_at)
    return stored


def correct(cursor: Cursor, records: Sequence[Record]) -> None:
    """Overwrite what a sweep wrote for calls that ended after all."""
    if records:
        rows = [[getattr(record.call, name) for name in _CORRECTED] for record in records]
        cursor.update(_CALL, _CORRECTED, rows)
