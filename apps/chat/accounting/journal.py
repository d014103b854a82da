"""Accounting: writes a movement of the ledger and the record of its call in one transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import orjson

from apps.chat.idempotency import claims
from apps.chat.idempotency.claims import ClaimEnd
from apps.chat.idempotency.keys import Claim, ClaimTaken
from apps.common.cursor import Cursor
from apps.conversations import call_rows
from apps.conversations.call_rows import CallRow, HitRow, Record
from apps.quotas.ledger import ledger
from apps.quotas.ledger.movements import ADJUSTED, Ended, Expire, Held, Movement, Outcome


class JournalEntry(NamedTuple):
    """A movement, a record, or both. The record of a movement that comes too late is dropped.

    With a `claim`, the movement is a reservation, made only if the claim is free; else the outcome is ClaimTaken.
    `kept` ends a claim.
    """

    movement: Movement | None = None
    record: Record | None = None
    claim: Claim | None = None
    kept: ClaimEnd | None = None


def apply(cursor: Cursor, units: Sequence[JournalEntry]) -> list[Outcome | ClaimTaken]:
    """A function for the writer: makes claims, applies the ledger's batch, and records the calls that it changed."""
    taken = _claim(cursor, units)
    moving = [unit for unit in units if unit.movement is not None and id(unit) not in taken]
    outcomes = dict(zip(map(id, moving), ledger.apply(cursor, [u.movement for u in moving if u.movement]), strict=True))
    records: list[Record] = []
    corrected: list[Record] = []
    for unit in units:
        outcome = outcomes.get(id(unit))
        if unit.record is None or (isinstance(outcome, Ended) and not outcome.changed):
            continue
        is_late = isinstance(outcome, Ended) and outcome.state == ADJUSTED
        (corrected if is_late else records).append(unit.record)
    call_rows.insert(cursor, records)
    call_rows.correct(cursor, corrected)
    _end_claims(cursor, units, outcomes)
    return [taken.get(id(unit)) or outcomes.get(id(unit)) for unit in units]


def _claim(cursor: Cursor, units: Sequence[JournalEntry]) -> dict[int, ClaimTaken]:
    """Make the claims. Returns those that are taken, by the id of their unit."""
    wanted = [unit.claim for unit in units if unit.claim is not None]
    if not wanted:
        return {}
    taken = claims.take(cursor, wanted)
    return {id(unit): taken[unit.claim.call] for unit in units if unit.claim is not None and unit.claim.call in taken}


def _end_claims(cursor: Cursor, units: Sequence[JournalEntry], outcomes: dict[int, Outcome]) -> None:
    """End the finished claims, and drop those whose reservation was refused."""
    if kept := [unit.kept for unit in units if unit.kept is not None]:
        claims.end(cursor, kept)
    made = [(unit.claim.call, outcomes[id(unit)]) for unit in units if unit.claim is not None and id(unit) in outcomes]
    claims.drop(cursor, [call for call, outcome in made if not isinstance(outcome, Held)])


def expire(cursor: Cursor, units: Sequence[tuple[str, datetime]]) -> list[bool]:
    """A function for the writer: charge abandoned holds, and record their calls as interrupted."""
    outcomes = ledger.apply(cursor, [Expire(hold=hold, now=now) for hold, now in units])
    done = [isinstance(outcome, Ended) and outcome.changed for outcome in outcomes]
    records = [
        _interrupted(hold, outcome, now)
        for (hold, now), outcome, changed in zip(units, outcomes, done, strict=True)
        if changed and isinstance(outcome, Ended)
    ]
    call_rows.insert(cursor, records)
    claims.drop(cursor, [hold for (hold, _), changed in zip(units, done, strict=True) if changed])
    return done


def identity(row: CallRow, hits: Sequence[HitRow]) -> str:
    """What `expire` needs to record a call. The hold stores it."""
    return orjson.dumps({"call": row._asdict(), "hits": hits}).decode()


def _interrupted(hold: str, ended: Ended, now: datetime) -> Record:
    kept = orjson.loads(ended.identity)
    started_at = datetime.fromisoformat(kept["call"].pop("started_at"))
    row = CallRow(**kept["call"], started_at=started_at)
    row = row._replace(
        status="interrupted",
        error_code="gateway_crashed",
        charged=ended.charged,
        is_estimated=True,
        duration_ms=int((now - started_at).total_seconds() * 1000),
    )
    return Record(row, tuple(HitRow(**hit) for hit in kept["hits"]))
