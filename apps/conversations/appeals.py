"""Appeals as students file and read them: a rule was wrong about a call. `outcomes.py` has what staff decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.accounts import petitions
from apps.accounts.petitions import NewPetition, PetitionView
from apps.common.cursor import Cursor

MOST_OPEN = 50  # per student
MOST_READ = 100

NO_SUCH_CALL, NOT_REFUSED, APPEALED, TOO_MANY = "no such call", "not refused", "appealed", "too many"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAppeal(NewPetition):
    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealView(PetitionView):
    call_id: str


def file(cursor: Cursor, appeals: Sequence[NewAppeal]) -> list[str]:
    """For the writer: file each appeal. Returns why it was refused, or an empty text."""
    return [_file(cursor, appeal) for appeal in appeals]


def _file(cursor: Cursor, appeal: NewAppeal) -> str:
    cursor.execute(
        "SELECT status FROM conversations_call WHERE id = %s AND membership_id = %s",
        (appeal.call_id, appeal.membership_id),
    )
    call = cursor.fetchone()
    if call is None:
        return NO_SUCH_CALL
    hit = _speaking(cursor, appeal.call_id)
    if hit is None and call[0] != "blocked":
        return NOT_REFUSED
    if _open_ones(cursor, appeal.membership_id) >= MOST_OPEN:
        return TOO_MANY
    rule_id, name, version = hit or (None, "", 0)
    cursor.execute(
        "INSERT INTO conversations_appeal"
        " (call_id, membership_id, rule_id, rule_name, rule_version, reason, state, answer, created_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, 'open', '', %s) ON CONFLICT (call_id) DO NOTHING RETURNING id",
        (appeal.call_id, appeal.membership_id, rule_id, name, version, appeal.reason, cursor.instant(appeal.now)),
    )
    return "" if cursor.fetchone() else APPEALED


def _speaking(cursor: Cursor, call_id: str) -> Any:
    """The rule that refused or redacted. Blocking rules come first, then the highest priority, as for students."""
    cursor.execute(
        "SELECT hit.rule_id, hit.name, hit.version FROM conversations_rulehit hit"
        " LEFT JOIN rules_rule rule ON rule.id = hit.rule_id"
        " WHERE hit.call_id = %s AND hit.stage = 'enforce' AND hit.action IN ('block', 'redact')"
        " ORDER BY CASE hit.action WHEN 'block' THEN 0 ELSE 1 END, COALESCE(rule.priority, 0) DESC, hit.id LIMIT 1",
        (call_id,),
    )
    return cursor.fetchone()


def _open_ones(cursor: Cursor, membership_id: int) -> int:
    cursor.execute(
        "SELECT COUNT(*) FROM conversations_appeal WHERE membership_id = %s AND state = 'open'", (membership_id,)
    )
    return int(cursor.fetchone()[0])


def latest(cursor: Cursor, members: Sequence[int]) -> list[tuple[AppealView, ...]]:
    """For the writer: the latest appeals of each member, newest first."""
    return petitions.latest(cursor, AppealView, members, table="conversations_appeal", most=MOST_READ)
