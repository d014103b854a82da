"""Claims: which call carries out an Idempotency-Key, and what it answered, in SQL for the group-commit writer.

A claim is made in the transaction that reserves for its call and ends in the one that settles it, so that of many
processes one executes. It never outlives its hold without an answer: whoever releases or expires the hold drops it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.chat.idempotency.keys import KEPT_FOR, Claim, ClaimTaken
from apps.common.cursor import Cursor

OPEN, DONE = "open", "done"
FORGET_AT_ONCE = 500

_NEW = {
    "id": "text", "body": "text", "call": "text", "membership": "bigint", "state": "text", "answer": "text",
    "created_at": "timestamptz", "expires_at": "timestamptz",
}  # fmt: skip
_DONE = {"id": "text", "call": "text", "state": "text", "answer": "text"}


@dataclass(frozen=True, slots=True)
class ClaimEnd:
    """How a claim ends: `answer` sealed, empty if it is too long to be kept, None if the claim is to be dropped."""

    id: str
    call: str
    answer: str | None


def find(cursor: Cursor, units: Sequence[Claim]) -> list[ClaimTaken | None]:
    """A function for the writer: who has each claim already."""
    taken = _taken(cursor, units)
    return [taken.get(claim.id) for claim in units]


def take(cursor: Cursor, claims: Sequence[Claim]) -> dict[str, ClaimTaken]:
    """Make the claims; by call, those that could not be had. Of two alike the first gets it."""
    first: dict[str, Claim] = {}
    for claim in claims:
        first.setdefault(claim.id, claim)
    ids = sorted(first)  # always in this order, so that no two writers wait for each other
    _forget(cursor, ids, now=max(claim.now for claim in claims))
    new = cursor.insert_new("chat_repeat", _NEW, [_row(cursor, first[id]) for id in ids])
    had = {id: ClaimTaken(claim.body, claim.call, False, "") for id, claim in first.items()}
    had |= _taken(cursor, [first[id] for id in ids if id not in new])
    return {claim.call: had[claim.id] for claim in claims if claim.id not in new or claim is not first[claim.id]}


def end(cursor: Cursor, kept: Sequence[ClaimEnd]) -> None:
    """Keep the answers of claims, or drop them. One that the call has lost in the meantime stays what it is."""
    rows = [(one.id, one.call, DONE, one.answer) for one in kept if one.answer is not None]
    if rows:
        mine = "chat_repeat.call = new.call AND chat_repeat.state = 'open'"
        cursor.update("chat_repeat", _DONE, rows, where=mine)
    drop(cursor, [one.call for one in kept if one.answer is None])


def drop(cursor: Cursor, calls: Sequence[str]) -> None:
    """Let the keys of calls that came to nothing be used again."""
    if calls:
        cursor.executemany("DELETE FROM chat_repeat WHERE state = 'open' AND call = %s", [(call,) for call in calls])


def forget(cursor: Cursor, units: Sequence[datetime]) -> list[int]:
    """A function for the writer: remove some that have expired; how many."""
    cursor.execute(
        "DELETE FROM chat_repeat WHERE id IN (SELECT id FROM chat_repeat WHERE expires_at <= %s LIMIT %s) RETURNING id",
        (cursor.instant(max(units)), FORGET_AT_ONCE),
    )
    return [len(cursor.fetchall())] * len(units)


def _taken(cursor: Cursor, claims: Sequence[Claim]) -> dict[str, ClaimTaken]:
    if not claims:
        return {}
    now = max(claim.now for claim in claims)
    rows = cursor.select("id, body, call, state, answer, expires_at", "chat_repeat", [claim.id for claim in claims])
    return {
        id: ClaimTaken(body, call, state == DONE, answer)
        for id, body, call, state, answer, expires_at in rows
        if cursor.read_instant(expires_at) > now
    }


def _forget(cursor: Cursor, ids: Sequence[str], *, now: datetime) -> None:
    rows = [(id, cursor.instant(now)) for id in ids]
    cursor.executemany("DELETE FROM chat_repeat WHERE id = %s AND expires_at <= %s", rows)


def _row(cursor: Cursor, claim: Claim) -> tuple[object, ...]:
    created, expires = cursor.instant(claim.now), cursor.instant(claim.now + KEPT_FOR)
    return claim.id, claim.body, claim.call, claim.membership, OPEN, "", created, expires
