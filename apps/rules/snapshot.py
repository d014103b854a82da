"""An in-process snapshot of the rulebooks of all courses, which is loaded again when they change."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from apps.common.revisions import Snapshot
from apps.rules.engine.re2_limits import gently
from apps.rules.models import TOPIC, Rule, RuleException, RuleSettings
from apps.rules.rulebook import CompiledRule, Rulebook
from apps.rules.schedules import Schedule

logger = logging.getLogger(__name__)

# Rules that are read without a pause. SQLite's driver releases the interpreter at every row, but takes it back before
# the event loop wakes, so without pauses the loop waited for all of a thousand.
ROWS = 50
ALL_COURSES = None  # the key of the rulebook for courses without rules of their own


@dataclass(slots=True)
class Rulebooks:
    """Loads the rulebooks of all courses. If one does not compile, that is logged, and the previous one stays in force.

    Without a previous one it is None: the course has rules that cannot be checked, so nothing may pass, unless the
    course has chosen that. The institution's rules are part of every book, and alone in the book under ALL_COURSES.
    """

    books: Mapping[int | None, Rulebook | None] = field(default_factory=dict)

    def load(self) -> Mapping[int | None, Rulebook | None]:
        by_course = defaultdict(list)
        for course_id, rule in _active():
            by_course[course_id].append(rule)
        everywhere = by_course.get(ALL_COURSES, [])
        lenient = frozenset() if everywhere else _lenient_courses()
        telling = _telling_courses()
        if everywhere:  # these need a book of their own, though there is nothing but the institution's rules in it
            by_course.update({course: [] for course in telling if course not in by_course})
        self.books = {
            course_id: self._compile(
                course_id,
                rules if course_id is ALL_COURSES else _merged(everywhere, rules),
                lets_pass=course_id in lenient,
                tells_in_answers=course_id in telling,
            )
            for course_id, rules in by_course.items()
        }
        return self.books

    def _compile(
        self, course_id: int | None, rules: Sequence[CompiledRule], *, lets_pass: bool, tells_in_answers: bool
    ) -> Rulebook | None:
        previous = self.books.get(course_id)
        wanted = (tuple(rules), lets_pass, tells_in_answers)
        if previous is not None and (previous.rules, previous.lets_pass, previous.tells_in_answers) == wanted:
            return previous
        try:
            return Rulebook.of(rules, lets_pass=lets_pass, tells_in_answers=tells_in_answers)
        except Exception:
            logger.exception("The rules of course %s do not compile; the previous ones stay in force", course_id)
            return Rulebook.of((), lets_pass=True) if previous is None and lets_pass else previous


def _merged(everywhere: Sequence[CompiledRule], own: Sequence[CompiledRule]) -> list[CompiledRule]:
    return sorted([*everywhere, *own], key=lambda rule: (-rule.priority, not rule.is_institutional, rule.name))


def _lenient_courses() -> frozenset[int]:
    """Courses that would rather answer unchecked than refuse. Rules of the institution overrule this."""
    lenient = RuleSettings.objects.filter(on_failure=RuleSettings.OnFailure.LET_PASS)
    return frozenset(lenient.values_list("course_id", flat=True))


def _telling_courses() -> frozenset[int]:
    """Courses in which warnings stand below answers."""
    return frozenset(RuleSettings.objects.filter(tells_in_answers=True).values_list("course_id", flat=True))


_SCHEDULE = tuple(column.name for column in fields(Schedule))
_OWN = tuple(
    column.name for column in fields(CompiledRule) if column.name not in ("schedule", "is_institutional", "exceptions")
)


def _active() -> list[tuple[int | None, CompiledRule]]:
    exceptions: defaultdict[int, set[str]] = defaultdict(set)
    for rule_id, text in RuleException.objects.values_list("rule_id", "text"):
        exceptions[rule_id].add(text)
    rules = Rule.objects.exclude(stage=Rule.Stage.DRAFT).order_by("course", "-priority", "name")
    rows = gently(rules.values("course_id", *_OWN, *_SCHEDULE).iterator(chunk_size=ROWS), every=ROWS)
    return [(row["course_id"], _compiled(row, frozenset(exceptions.get(row["id"], ())))) for row in rows]


def _compiled(row: Mapping[str, Any], exceptions: frozenset[str]) -> CompiledRule:
    return CompiledRule(
        **{name: row[name] for name in _OWN},
        schedule=Schedule(**{name: row[name] for name in _SCHEDULE}),
        is_institutional=row["course_id"] is None,
        exceptions=exceptions,
    )


def rulebooks() -> Snapshot[Mapping[int | None, Rulebook | None]]:
    return Snapshot(TOPIC, Rulebooks().load)
