"""Appeals: a student says that a rule was wrong about a call. Staff accept or decline.

Accepting adds the words that the rule found as exceptions to it. The words come from the recorded conversation and are
for staff only. Redacted words are not recorded, so an appeal against a redaction offers none.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts import petitions
from apps.accounts.models import User
from apps.accounts.petitions import NewPetition, PetitionView
from apps.common.cursor import Cursor
from apps.conversations.models import Appeal, RuleHit
from apps.rules.exemptions import folded
from apps.rules.models import Rule, RuleException
from apps.rules.trials import finds_whole, undone_example

MOST_OPEN = 50  # per student
MOST_READ = 100
MOST_TEXTS = 10

NO_SUCH_CALL, NOT_REFUSED, APPEALED, TOO_MANY = "no such call", "not refused", "appealed", "too many"
EXCEPTED = "You were right: your instructor has made an exception. Send it again."
ACCEPTED = "You were right, says your instructor."
DECLINED = "Your instructor has looked at it and keeps the rule as it is."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAppeal(NewPetition):
    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealView(PetitionView):
    call_id: str


# For students, through the writer


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


# For staff


def found_texts(appeal: Appeal) -> list[str]:
    """The distinct words that the rule found, as far as the text of the conversation was recorded."""
    hits = RuleHit.objects.filter(call=appeal.call_id, rule=appeal.rule_id, stage=Rule.Stage.ENFORCE)
    turns: dict[int | None, str] = {}
    for turn in appeal.call.turns.order_by("seq"):
        turns[turn.message] = turns.get(turn.message, "") + turn.text
    texts = [
        turns.get(None if hit.direction == "answer" else hit.message, "")[hit.start : hit.end]
        for hit in hits.exclude(action=Rule.Action.REDACT)
    ]
    return list(dict.fromkeys(text for text in texts if text.strip()))[:MOST_TEXTS]


def accept(appeal: Appeal, *, by: User, texts: Sequence[str], now: datetime, answer: str = "") -> int | None:
    """Accept an open appeal and add these texts as exceptions to its rule. Returns how many exceptions are new.

    None if somebody else has decided it. Raises ValidationError if an exception would undo the rule or do nothing.
    """
    rule = appeal.rule
    wanted = [text for text in dict.fromkeys(map(folded, texts)) if text] if rule else []
    if rule and wanted:
        _check(rule, wanted, known=set(map(folded, found_texts(appeal))))
    with transaction.atomic():
        if not appeal.decide(
            Appeal.State.ACCEPTED, by=by, answer=answer or (EXCEPTED if wanted else ACCEPTED), now=now
        ):
            return None
        made = [
            RuleException.objects.get_or_create(
                rule=rule,
                text=text,
                defaults={"author": by, "reason": f"Appeal {appeal.call_id}: {appeal.reason}"[:1000]},
            )
            for text in wanted
        ]
    return sum(is_new for _, is_new in made)


def decline(appeal: Appeal, *, by: User, now: datetime, answer: str = "") -> bool:
    return appeal.decide(Appeal.State.DECLINED, by=by, answer=answer or DECLINED, now=now)


def _check(rule: Rule, texts: Sequence[str], *, known: Collection[str]) -> None:
    """Raise ValidationError for exceptions that undo the rule or do nothing.

    `known` are texts that the rule found in context. By themselves it may not find them.
    """
    if any(len(text) > RuleException.LONGEST for text in texts):
        raise ValidationError(f"Words longer than {RuleException.LONGEST} characters cannot be excepted.")
    if stray := next((text for text in texts if text not in known and not finds_whole(rule, text)), ""):
        raise ValidationError(
            f"An exception “{stray}” would change nothing: {rule.name} finds other words than just these. "
            "Leave the words as they were found, or change the pattern."
        )
    kept = rule.exceptions.values_list("text", flat=True)
    if example := undone_example(rule, exceptions=[*kept, *texts]):
        raise ValidationError(
            f"That would undo {rule.name}: “{example}”, an example that must be found, would no longer be. "
            "Change the pattern instead, or decline."
        )
