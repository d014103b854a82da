"""Calls as they are recorded: narrow rows, written in the transaction that settles them."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from typing import Any, get_type_hints

from apps.common.cursor import Cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """One row of Call; the names are its columns."""

    id: str
    course_id: int
    membership_id: int
    api_key_id: int | None
    model: str
    provider: str = ""
    upstream_model: str = ""
    attempts: int = 0
    is_stream: bool = False
    status: str
    error_code: str = ""
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    charged: int = 0
    is_estimated: bool = False
    started_at: datetime
    first_byte_ms: int | None = None
    duration_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HitRow:
    """One row of RuleHit; the names are its columns."""

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


@dataclass(frozen=True, slots=True)
class Record:
    """A call with the rules that were found in it."""

    call: CallRow
    hits: tuple[HitRow, ...] = ()


_KINDS = {str: "text", int: "bigint", bool: "boolean", datetime: "timestamptz", int | None: "bigint"}
_CALL_COLUMNS = {name: _KINDS[kind] for name, kind in get_type_hints(CallRow).items()}
# What is known when a call begins stays as it was written then.
_FIXED = {"course_id", "membership_id", "api_key_id", "model", "is_stream", "started_at"}
_CORRECTED = {name: kind for name, kind in _CALL_COLUMNS.items() if name not in _FIXED}
_HIT_COLUMNS = {name: _KINDS[kind] for name, kind in get_type_hints(HitRow).items()}


def insert(cursor: Cursor, records: Sequence[Record]) -> None:
    """Write the records within the transaction of the cursor. A call that is there already stays as it is.

    Calls of students who have been deleted in the meantime are left out; keys and rules that have been are left empty.
    """
    members = _existing(cursor, "accounts_membership", [record.call.membership_id for record in records])
    kept = [record for record in records if record.call.membership_id in members]
    if not kept:
        return
    keys = _existing(cursor, "accounts_apikey", [record.call.api_key_id for record in kept])
    rows = [_stored(cursor, record.call, keys) for record in kept]
    new = cursor.insert_new("conversations_call", _CALL_COLUMNS, rows)
    _insert_hits(cursor, [hit for record in kept if record.call.id in new for hit in record.hits])


def _insert_hits(cursor: Cursor, hits: Sequence[HitRow]) -> None:
    if hits:
        rules = _existing(cursor, "rules_rule", [hit.rule_id for hit in hits])
        rows = [astuple(hit if hit.rule_id in rules else replace(hit, rule_id=None)) for hit in hits]
        cursor.insert("conversations_rulehit", _HIT_COLUMNS, rows)


def _existing(cursor: Cursor, table: str, ids: Iterable[int | None]) -> set[int]:
    """Those of the ids that there still are; they cannot be deleted before the transaction ends."""
    wanted = sorted({id for id in ids if id is not None})
    return {row[0] for row in cursor.select("id", table, wanted, lock="FOR KEY SHARE")} if wanted else set()


def _stored(cursor: Cursor, row: CallRow, keys: set[int]) -> list[Any]:
    stored = {name: getattr(row, name) for name in _CALL_COLUMNS}
    stored["started_at"] = cursor.instant(row.started_at)
    stored["api_key_id"] = row.api_key_id if row.api_key_id in keys else None
    return list(stored.values())


def correct(cursor: Cursor, records: Sequence[Record]) -> None:
    """Replace what a sweep had written of calls that ended after all."""
    if records:
        rows = [[getattr(record.call, name) for name in _CORRECTED] for record in records]
        cursor.update("conversations_call", _CORRECTED, rows)
