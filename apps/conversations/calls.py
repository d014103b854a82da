"""Calls as they are recorded: narrow rows, written in the transaction that settles them."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import Any

from django.db import connection


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
    rule_id: int
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


def _insert(table: str, row: type, tail: str = "") -> str:
    names = [field.name for field in fields(row)]
    columns = ", ".join(f'"{name}"' for name in names)
    return f"INSERT INTO {table} ({columns}) VALUES ({', '.join(['%s'] * len(names))}){tail}"  # noqa: S608


_INSERT_CALL = _insert("conversations_call", CallRow, " ON CONFLICT (id) DO NOTHING")
_INSERT_HIT = _insert("conversations_rulehit", HitRow)
_STARTED_AT = [field.name for field in fields(CallRow)].index("started_at")


def insert(cursor: Any, records: Sequence[Record]) -> None:
    """Write the records within the transaction of the cursor. A call that is there already stays as it is."""
    if not records:
        return
    cursor.executemany(_INSERT_CALL, [_stored(record.call) for record in records])
    hits = [astuple(hit) for record in records for hit in record.hits]
    if hits:
        cursor.executemany(_INSERT_HIT, hits)


def _stored(row: CallRow) -> list[Any]:
    values = [getattr(row, name) for name in row.__slots__]
    values[_STARTED_AT] = connection.ops.adapt_datetimefield_value(row.started_at)
    return values


def correct(cursor: Any, records: Sequence[Record]) -> None:
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
