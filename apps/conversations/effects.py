"""The effect of an exception before it is made: for how many students it holds, and what it would have let pass."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.db.models.functions import Substr

from apps.accounts.models import Membership, Role
from apps.conversations.models import RuleHit, Turn
from apps.rules.engine.matcher import EngineFailed
from apps.rules.models import Rule
from apps.rules.rulebook import Rulebook
from apps.rules.trials import as_compiled

RECENT = 12  # refusals that are looked at
LONGEST = 50_000  # characters of each piece of text
MOST_PIECES = 500

_Texts = dict[int | None, str]  # by message, and the answer under None


@dataclass(frozen=True, slots=True)
class Effect:
    """`passing` of the last `refusals` whose text is kept would not have been refused with the exception."""

    students: int
    refusals: int
    passing: int


def effect_of(rule: Rule, texts: Sequence[str]) -> Effect:
    """The effect of these exceptions, folded as the rule compares them, from a bounded number of recorded calls."""
    calls = _refused_by(rule)
    others = _refused_by_others(rule, calls)
    kept = rule.exceptions.values_list("text", flat=True)
    book = Rulebook.of([as_compiled(rule, exceptions=frozenset((*kept, *texts)))])
    found = _texts(calls)
    passing = [call for call, said in found.items() if call not in others and not _is_found(book, rule, said)]
    return Effect(students=_students(rule), refusals=len(found), passing=len(passing))


def _refusals() -> QuerySet[RuleHit]:
    return RuleHit.objects.filter(stage=Rule.Stage.ENFORCE, action=Rule.Action.BLOCK)


def _refused_by(rule: Rule) -> list[str]:
    """The latest calls that the rule refused, through the index of its hits."""
    hits = _refusals().filter(rule=rule).order_by("-call")
    return list(hits.values_list("call", flat=True).distinct()[:RECENT])


def _refused_by_others(rule: Rule, calls: Sequence[str]) -> set[str]:
    return set(_refusals().filter(call__in=calls).exclude(rule=rule).values_list("call", flat=True))


def _texts(calls: Sequence[str]) -> dict[str, _Texts]:
    """The beginnings of what was said in these calls, as far as it is kept."""
    found: dict[str, _Texts] = defaultdict(dict)
    turns = Turn.objects.filter(call__in=calls).order_by("call", "seq").annotate(part=Substr("text", 1, LONGEST))
    for call, message, part in turns.values_list("call", "message", "part")[:MOST_PIECES]:
        found[call][message] = found[call].get(message, "") + part
    return found


def _is_found(book: Rulebook, rule: Rule, said: _Texts) -> bool:
    """Whether the rule finds anything in the sides of the conversation that it looks at. If in doubt, it does."""
    sides = {"prompt": (False,), "answer": (True,)}.get(rule.direction, (False, True))
    try:
        return bool(book.screen([text for message, text in said.items() if (message is None) in sides]).hits)
    except EngineFailed:
        return True


def _students(rule: Rule) -> int:
    """Students for whom the rule holds: of its course, or of all courses."""
    students = Membership.objects.filter(role=Role.STUDENT, is_active=True)
    return students.count() if rule.course_id is None else students.filter(course=rule.course_id).count()
