"""Calls as they are recorded: narrow rows, written in the transaction that settles them."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from apps.common.cursor import Cursor, values


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


@dataclass(frozen=True, slots=True)
class Record:
    """A call with the rules that were found in it."""

    call: CallRow
    hits: tuple[HitRow, ...] = ()


_CALL_COLUMNS = tuple(field.name for field in fields(CallRow))
_HIT_COLUMNS = tuple(field.name for field in fields(HitRow))
_STARTED_AT, _API_KEY = _CALL_COLUMNS.index("started_at"), _CALL_COLUMNS.index("api_key_id")
_HITS_AT_ONCE = 1000  # databases take only so many values in one statement


def insert(cursor: Cursor, records: Sequence[Record]) -> None:
    """Write the records within the transaction of the cursor. A call that is there already stays as it is.

    Calls of students who have been deleted in the meantime are left out; keys and rules that have been are left empty.
    """
    members = _existing(cursor, "accounts_membership", [record.call.membership_id for record in records])
    kept = [record for record in records if record.call.membership_id in members]
    if not kept:
        return
    keys = _existing(cursor, "accounts_apikey", [record.call.api_key_id for record in kept])
    cursor.execute(
        f"{_insert('conversations_call', _CALL_COLUMNS, len(kept))} ON CONFLICT (id) DO NOTHING RETURNING id",
        [value for record in kept for value in _stored(cursor, record.call, keys)],
    )
    new = {row[0] for row in cursor.fetchall()}
    _insert_hits(cursor, [hit for record in kept if record.call.id in new for hit in record.hits])


def _insert_hits(cursor: Cursor, hits: Sequence[HitRow]) -> None:
    rules = _existing(cursor, "rules_rule", [hit.rule_id for hit in hits])
    rows = [astuple(hit if hit.rule_id in rules else replace(hit, rule_id=None)) for hit in hits]
    for start in range(0, len(rows), _HITS_AT_ONCE):
        batch = rows[start : start + _HITS_AT_ONCE]
        cursor.execute(
            _insert("conversations_rulehit", _HIT_COLUMNS, len(batch)), [value for row in batch for value in row]
        )


@lru_cache(maxsize=1024)
def _insert(table: str, columns: tuple[str, ...], rows: int) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {table} ({names}) VALUES {values(rows, len(columns))}"


def _existing(cursor: Cursor, table: str, ids: Iterable[int | None]) -> set[int]:
    """Those of the ids that there still are; they cannot be deleted before the transaction ends."""
    wanted = sorted({id for id in ids if id is not None})
    if not wanted:
        return set()
    cursor.execute(f"SELECT id FROM {table} WHERE id IN {values(1, len(wanted))} ORDER BY id{cursor.keep}", wanted)
    return {row[0] for row in cursor.fetchall()}


def _stored(cursor: Cursor, row: CallRow, keys: set[int]) -> list[Any]:
    columns = [getattr(row, name) for name in _CALL_COLUMNS]
    columns[_STARTED_AT] = cursor.instant(row.started_at)
    if row.api_key_id not in keys:
        columns[_API_KEY] = None
    return columns


def correct(cursor: Cursor, records: Sequence[Record]) -> None:
    """Replace what a sweep had written of calls that ended after all."""
    if records:
        cursor.executemany(
            "UPDATE conversations_call SET status = %s, error_code = %s, provider = %s, upstream_model = %s,"
            " attempts = %s, input_tokens = %s, cached_input_tokens = %s, output_tokens = %s, charged = %s,"
            " is_estimated = %s, first_byte_ms = %s, duration_ms = %s WHERE id = %s",
            [_corrected(record.call) for record in records],
        )


def _corrected(row: CallRow) -> tuple[Any, ...]:
    return (
        row.status, row.error_code, row.provider, row.upstream_model, row.attempts, row.input_tokens,
        row.cached_input_tokens, row.output_tokens, row.charged, row.is_estimated, row.first_byte_ms,
        row.duration_ms, row.id,
    )  # fmt: skip
