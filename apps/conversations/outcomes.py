"""What staff decide about an appeal. It has three outcomes, and only one of them changes the rule.

*Right to refuse* and *fine this once* answer the student. *Fine for everyone* also makes the words exceptions to the
rule. The words come from the recorded conversation and are for staff only. Redacted words are not recorded, so an
appeal against a redaction offers none.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction

from apps.accounts.models import User
from apps.conversations.models import Appeal, RuleHit
from apps.rules.exemptions import folded
from apps.rules.models import Rule, RuleException
from apps.rules.trials import finds_whole, undone_example

MOST_TEXTS = 10

REFUSED = "Your instructor has looked at it and keeps the rule as it is."
ONCE = "That was fine, says your instructor. The rule stays as it is and may refuse the same words again."
EVERYONE = "You were right: your instructor has made an exception. Send it again."


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


def refuse(appeal: Appeal, *, by: User, now: datetime, answer: str = "") -> bool:
    """The rule was right. False if somebody else has decided the appeal."""
    outcome = Appeal.Outcome.REFUSE
    return appeal.decide(Appeal.State.DECLINED, by=by, answer=answer or REFUSED, now=now, outcome=outcome)


def let_pass_once(appeal: Appeal, *, by: User, now: datetime, answer: str = "") -> bool:
    """The student was right this once, and the rule stays. False if somebody else has decided the appeal."""
    outcome = Appeal.Outcome.ONCE
    return appeal.decide(Appeal.State.ACCEPTED, by=by, answer=answer or ONCE, now=now, outcome=outcome)


def let_pass_for_everyone(
    appeal: Appeal, *, by: User, texts: Sequence[str], now: datetime, answer: str = ""
) -> list[str] | None:
    """Accept an open appeal and add these texts as exceptions to its rule. Returns the texts as the rule compares them.

    None if somebody else has decided it. Raises ValidationError if an exception would undo the rule or do nothing.
    """
    rule, wanted = appeal.rule, comparable(texts)
    if rule is None or not wanted:
        raise ValidationError("Say which words are fine for everyone, or choose “Fine this once”.")
    _check(rule, wanted, known=set(map(folded, found_texts(appeal))))
    with transaction.atomic():
        outcome = Appeal.Outcome.EVERYONE
        if not appeal.decide(Appeal.State.ACCEPTED, by=by, answer=answer or EVERYONE, now=now, outcome=outcome):
            return None
        why = {"author": by, "reason": f"Appeal {appeal.call_id}: {appeal.reason}"[:1000]}
        for text in wanted:
            RuleException.objects.get_or_create(rule=rule, text=text, defaults=why)
    return wanted


def comparable(texts: Sequence[str]) -> list[str]:
    """The distinct texts as exceptions are compared, without empty ones."""
    return [text for text in dict.fromkeys(map(folded, texts)) if text]


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
            "Change the pattern instead, or refuse."
        )
