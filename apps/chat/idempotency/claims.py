"""Claims: which call executes an Idempotency-Key, and its answer, in SQL for the group-commit writer.

The transaction that reserves for the call makes its claim, and the one that settles the call ends it, so that one of
many processes executes. A claim without an answer never outlives its hold: releasing or expiring the hold drops it.
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
    """How a claim ends: `answer` is sealed, empty if it is too long to keep, None if the claim is dropped."""

    id: str
    call: str
    answer: str | None


def find(cursor: Cursor, units: Sequence[Claim]) -> list[ClaimTaken | None]:
    """A function for the writer: which call has each claim already."""
    taken = _taken(cursor, units)
    return [taken.get(claim.id) for claim in units]


def take(cursor: Cursor, claims: Sequence[Claim]) -> dict[str, ClaimTaken]:
    """Make the claims. Returns those that are taken, by call. Of two that are the same, the first wins."""
    first: dict[str, Claim] = {}
    for claim in claims:
        first.setdefault(claim.id, claim)
    ids = sorted(first)  # sorted, so that two writers cannot deadlock
    _forget(cursor, ids, now=max(claim.now for claim in claims))
    new = cursor.insert_new("chat_repeat", _NEW, [_row(cursor, first[id]) for id in ids])
    had = {id: ClaimTaken(claim.body, claim.call, False, "") for id, claim in first.items()}
    had |= _taken(cursor, [first[id] for id in ids if id not in new])
    return {claim.call: had[claim.id] for claim in claims if claim.id not in new or claim is not first[claim.id]}


def end(cursor: Cursor, kept: Sequence[ClaimEnd]) -> None:
    """Keep the answers of claims, or drop the claims. A claim that the call has lost meanwhile stays as it is."""
    rows = [(one.id, one.call, DONE, one.answer) for one in kept if one.answer is not None]
    if rows:
        mine = "chat_repeat.call = new.call AND chat_repeat.state = 'open'"
        cursor.update("chat_repeat", _DONE, rows, where=mine)
    drop(cursor, [one.call for one in kept if one.answer is None])


def drop(cursor: Cursor, calls: Sequence[str]) -> None:
    """Free the keys of calls that got no answer."""
    if calls:
        cursor.executemany("DELETE FROM chat_repeat WHERE state = 'open' AND call = %s", [(call,) for call in calls])


def forget(cursor: Cursor, units: Sequence[datetime]) -> list[int]:
    """A function for the writer: delete some expired claims. Returns how many."""
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
