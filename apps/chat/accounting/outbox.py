"""The backlog: settlements that the database could not take, kept in the spool until it is back.

Each is a unit of accounting under the id of its call. Applying one twice changes nothing, so one whose commit was
interrupted may be kept as well.
"""

import asyncio
import logging
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from apps.chat.accounting import journal
from apps.chat.accounting.journal import JournalEntry
from apps.chat.idempotency.claims import ClaimEnd
from apps.common.commit import StoreAway, Writer
from apps.common.owners import is_alive
from apps.conversations.call_rows import AttemptRow, CallRow, HitRow, Record
from apps.conversations.spool import files
from apps.conversations.spool.files import KeptSettlement
from apps.conversations.spool.writer import Spool
from apps.quotas.ledger.movements import Release, Settle

logger = logging.getLogger(__name__)

DISK_SECONDS = 5.0
_MOVEMENTS = {"settle": Settle, "release": Release}


async def put(spool: Spool, unit: JournalEntry, *, call: str) -> None:
    """Return once the unit is on disk, from where it will reach the database.

    If the disk does not respond, stop waiting after DISK_SECONDS. The spool keeps trying, and if the process dies
    before, the hold is charged like that of any dead process.
    """
    written = asyncio.wrap_future(spool.keep(call=call, settlement=to_body(unit)))
    await asyncio.wait([written], timeout=DISK_SECONDS)
    if not written.done():
        logger.error("Neither the database nor the disk takes the settlement of call %s: it waits in memory", call)


async def flush(writer: Writer, *, spools: Path, owners: Path, mine: Path) -> int:
    """Submit everything kept by this process, or by dead ones on this machine, to the writer. Returns how much it took.

    Raises StoreAway while the database is down, which loses nothing.
    """
    done = 0
    for path in await asyncio.to_thread(_to_make_up, spools, owners, mine):
        last = 0
        while kept := await asyncio.to_thread(files.settlements, path, after=last):
            last = kept[-1].id
            refused = await _apply(writer, kept)
            taken = [one.id for one in kept if one.id not in refused]
            await asyncio.to_thread(files.refuse_settlements, path, refused)
            await asyncio.to_thread(files.remove_settlements, path, taken)
            done += len(taken)
    return done


def _to_make_up(spools: Path, owners: Path, mine: Path) -> list[Path]:
    found = [path for path in sorted(spools.glob("*.sqlite3")) if path == mine or not is_alive(owners, path.stem)]
    return [path for path in found if _holds_any(path)]


def _holds_any(path: Path) -> bool:
    try:
        return bool(files.settlements(path, limit=1))
    except sqlite3.Error:
        if path.exists():
            raise
        return False  # removed by the process that drained it


async def _apply(writer: Writer, kept: list[KeptSettlement]) -> list[int]:
    """The ids of those that the database refused for good. Raises StoreAway."""
    futures = [writer.submit(journal.apply, from_body(one.body)) for one in kept]
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    refused = []
    for one, outcome in zip(kept, outcomes, strict=True):
        if isinstance(outcome, StoreAway):
            raise outcome
        if isinstance(outcome, BaseException):
            logger.error("The settlement of call %s was refused and stays in the spool: %r", one.call, outcome)
            refused.append(one.id)
    return refused


def to_body(unit: JournalEntry) -> bytes:
    kind = next((name for name, movement in _MOVEMENTS.items() if isinstance(unit.movement, movement)), None)
    return orjson.dumps(
        {"kind": kind, "movement": unit.movement, "record": unit.record, "kept": unit.kept}, default=_as_fields
    )


def _as_fields(value: Any) -> dict[str, Any]:
    """Of a named tuple, which the serialiser does not know."""
    fields: dict[str, Any] = value._asdict()
    return fields


def from_body(body: bytes) -> JournalEntry:
    """The unit that `to_body` was given. Raises ValueError, TypeError or KeyError for anything else."""
    fields = orjson.loads(body)
    movement = fields["movement"] and _MOVEMENTS[fields["kind"]](**_with_instant(fields["movement"], "now"))
    kept = fields.get("kept")  # missing in what older versions of Stoa wrote
    return JournalEntry(movement, fields["record"] and _record(fields["record"]), kept=kept and ClaimEnd(**kept))


def _record(fields: dict[str, Any]) -> Record:
    row = CallRow(**_with_instant(fields["call"], "started_at"))
    attempts = fields.get("attempts", ())  # missing in what older versions of Stoa wrote
    return Record(row, tuple(HitRow(**hit) for hit in fields["hits"]), tuple(AttemptRow(**one) for one in attempts))


def _with_instant(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {**fields, name: datetime.fromisoformat(fields[name])}
