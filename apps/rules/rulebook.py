"""Rulebooks: the compiled rules of a course, and what they say of a prompt."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from apps.common.revisions import Snapshot
from apps.rules import engine
from apps.rules.models import TOPIC, Rule

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A rule as the data plane knows it."""

    id: int
    name: str
    pattern: str
    action: str
    stage: str
    priority: int
    message: str
    guidance: str


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where a rule was found: `text[start:end]` of the prompt's part number `part`."""

    rule: CompiledRule
    part: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say: every hit for the record, and of the enforced rules what is to be done."""

    hits: tuple[Hit, ...] = ()

    @property
    def block(self) -> CompiledRule | None:
        """The rule that refuses the prompt: of several the one with the highest priority."""
        return max(self._enforced("block"), key=lambda rule: rule.priority, default=None)

    @property
    def guidance(self) -> tuple[str, ...]:
        """What to tell the model, each text once, in order of priority."""
        rules = sorted(self._enforced("guide"), key=lambda rule: -rule.priority)
        return tuple(dict.fromkeys(rule.guidance for rule in rules))

    @property
    def announced(self) -> tuple[int, ...]:
        """Ids of the rules that the student is told about."""
        return tuple(dict.fromkeys(hit.rule.id for hit in self.hits if hit.rule.stage in ("warn", "enforce")))

    def _enforced(self, action: str) -> list[CompiledRule]:
        return [hit.rule for hit in self.hits if hit.rule.stage == "enforce" and hit.rule.action == action]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The rules of one course that are not drafts, compiled together."""

    rules: tuple[CompiledRule, ...]
    matcher: engine.Matcher

    @classmethod
    def of(cls, rules: Sequence[CompiledRule]) -> "Rulebook":
        return cls(tuple(rules), engine.Matcher([rule.pattern for rule in rules]))

    def screen(self, parts: Sequence[str]) -> Verdict:
        """Look for every rule in every part. CPU-bound; long texts belong in a thread. Raises engine.EngineFailed.

        A rule has at most MAX_SPANS hits, those in the latest parts: each is recorded, and histories grow long.
        """
        hits: list[Hit] = []
        left = [engine.MAX_SPANS] * len(self.rules)
        for number in reversed(range(len(parts))):
            for position in self.matcher.found(parts[number]):
                if left[position]:
                    spans = self.matcher.spans(position, parts[number])[: left[position]]
                    left[position] -= len(spans)
                    hits.extend(Hit(self.rules[position], number, span.start, span.end) for span in spans)
        return Verdict(tuple(sorted(hits, key=lambda hit: hit.part)))


NO_RULES = Verdict()


@dataclass(slots=True)
class Rulebooks:
    """Loads the rulebooks of all courses. One that does not compile stays as it was, and says so in the log.

    If there is no previous one it becomes None: the course has rules that cannot be looked at, so nothing may pass.
    """

    books: Mapping[int, Rulebook | None] = field(default_factory=dict)

    def load(self) -> Mapping[int, Rulebook | None]:
        by_course = defaultdict(list)
        for course_id, rule in _active():
            by_course[course_id].append(rule)
        self.books = {course_id: self._compile(course_id, rules) for course_id, rules in by_course.items()}
        return self.books

    def _compile(self, course_id: int, rules: Sequence[CompiledRule]) -> Rulebook | None:
        previous = self.books.get(course_id)
        if previous is not None and previous.rules == tuple(rules):
            return previous
        try:
            return Rulebook.of(rules)
        except Exception:
            logger.exception("The rules of course %s do not compile; the previous ones stay in force", course_id)
            return previous


def _active() -> list[tuple[int, CompiledRule]]:
    fields = tuple(CompiledRule.__dataclass_fields__)
    rows = Rule.objects.exclude(stage=Rule.Stage.DRAFT).order_by("course", "-priority", "name")
    return [(row.pop("course_id"), CompiledRule(**row)) for row in rows.values("course_id", *fields)]


def rulebooks() -> Snapshot[Mapping[int, Rulebook | None]]:
    return Snapshot(TOPIC, Rulebooks().load)
