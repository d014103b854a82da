"""The compiled rules of a course, and their verdict on a text. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from apps.rules import exemptions
from apps.rules.checksums import CHECKSUMS
from apps.rules.engine.matcher import MAX_SPANS, EngineFailed, Folded, Matcher, Span, fold
from apps.rules.schedules import ALWAYS, Schedule

MOST_REDACTED = 10_000  # places per call; a call with more is refused


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A rule as the data plane sees it."""

    id: int
    name: str
    pattern: str
    action: str
    stage: str
    priority: int
    message: str
    guidance: str
    direction: str = "prompt"  # prompt, answer or both
    replacement: str = "[redacted]"
    checksum: str = ""
    assignment: str = ""  # empty: all calls, whatever their tag
    schedule: Schedule = ALWAYS
    version: int = 0
    is_institutional: bool = False
    exceptions: frozenset[str] = frozenset()  # matched texts, folded, that do not count

    def is_active(self, *, now: datetime, timezone: str, assignment: str) -> bool:
        """True if the rule holds at this instant, in the course's time zone, for a call with this assignment tag."""
        return self.assignment in ("", assignment) and self.schedule.covers(now, timezone=timezone)

    @property
    def acts(self) -> bool:
        return self.stage == "enforce"

    @property
    def redacts(self) -> bool:
        return self.action == "redact" and self.stage == "enforce"

    def counts(self, text: str) -> bool:
        """True if a match of this text is a hit, and not one of the rule's exceptions."""
        return exemptions.counts(text, self.exceptions)


class Occasion(NamedTuple):
    """When and for what a text is screened. Rules that this does not concern are ignored."""

    direction: str  # prompt or answer
    now: datetime
    timezone: str
    assignment: str = ""

    def concerns(self, rule: CompiledRule) -> bool:
        return rule.direction in (self.direction, "both") and rule.is_active(
            now=self.now, timezone=self.timezone, assignment=self.assignment
        )


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where a rule was found: `text[start:end]` of the prompt's part number `part`."""

    rule: CompiledRule
    part: int
    start: int
    end: int
    direction: str = "prompt"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of screening: every hit, for the record, and what the enforced rules demand.

    `stuck` are enforced rules that should have redacted and could not; they refuse instead. `last` is the number of the
    part that is new; those before it may have been sent earlier.
    """

    hits: tuple[Hit, ...] = ()
    stuck: tuple[CompiledRule, ...] = ()
    last: int = 0

    @property
    def block(self) -> CompiledRule | None:
        """The rule that refuses the prompt: the one with the highest priority."""
        if not (self.hits or self.stuck):
            return None
        blocking = self._enforced("block") or self.stuck
        return max(blocking, key=lambda rule: rule.priority, default=None)

    @property
    def guidance(self) -> tuple[str, ...]:
        """The texts to tell the model, each once, in order of priority."""
        if not self.hits:
            return ()
        rules = sorted(self._enforced("guide"), key=lambda rule: -rule.priority)
        return tuple(dict.fromkeys(rule.guidance for rule in rules))

    @property
    def told(self) -> tuple[CompiledRule, ...]:
        """The rules that the student is told about, each once."""
        shown = {hit.rule.id: hit.rule for hit in self.hits if hit.rule.stage in ("warn", "enforce")}
        return tuple(shown.values())

    @property
    def announced(self) -> tuple[int, ...]:
        """Ids of the rules that the student is told about."""
        return tuple(rule.id for rule in self.told)

    def _enforced(self, action: str) -> list[CompiledRule]:
        return [hit.rule for hit in self.hits if hit.rule.acts and hit.rule.action == action]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The rules of one course that are not drafts, compiled together.

    `lets_pass` is the course's choice for when the engine fails: answer unchecked instead of refusing. With
    `tells_in_answers`, what warns is said below answers too. `answering` are the positions of the rules that look at
    answers.
    """

    rules: tuple[CompiledRule, ...]
    matcher: Matcher
    lets_pass: bool = False
    tells_in_answers: bool = False
    answering: tuple[int, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        answering = tuple(n for n, rule in enumerate(self.rules) if rule.direction != "prompt")
        object.__setattr__(self, "answering", answering)

    @classmethod
    def of(
        cls, rules: Sequence[CompiledRule], *, lets_pass: bool = False, tells_in_answers: bool = False
    ) -> "Rulebook":
        validators = [CHECKSUMS.get(rule.checksum) for rule in rules]
        return cls(tuple(rules), Matcher([rule.pattern for rule in rules], validators), lets_pass, tells_in_answers)

    def screen(self, parts: Sequence[str], *, occasion: Occasion | None = None) -> Verdict:
        """Search every part for every rule, or on an occasion for those that it concerns. Raises EngineFailed.

        CPU-bound: screen long texts in a thread. A rule has at most MAX_SPANS hits, those in the latest parts, since
        each is recorded and histories grow long. Redacting rules have all of theirs, since nothing of them may be left.
        """
        hits: list[Hit] = []
        left = [MOST_REDACTED if rule.redacts else MAX_SPANS for rule in self.rules]
        for number in reversed(range(len(parts))):
            hits += self.found(parts[number], part=number, occasion=occasion, most=left)
        return Verdict(tuple(sorted(hits, key=lambda hit: hit.part)))

    def found(
        self,
        text: str | Folded,
        *,
        part: int = 0,
        occasion: Occasion | None = None,
        start: int = 0,
        most: list[int],
    ) -> Iterator[Hit]:
        """The hits in one text that begin at `start` or later; of each rule at most `most` at its position.

        Subtracts what it finds from `most`. Raises EngineFailed.
        """
        folded = fold(text) if isinstance(text, str) else text
        for position in self.matcher.found(folded):
            rule = self.rules[position]
            if (occasion is None or occasion.concerns(rule)) and (most[position] or rule.redacts):
                spans = self._spans(position, folded, start)
                if rule.redacts and len(spans) > most[position]:
                    raise EngineFailed("There is more to redact than can be redacted.")
                spans = spans[: most[position]]
                most[position] -= len(spans)
                for span in spans:
                    yield Hit(rule, part, span.start, span.end)

    def _spans(self, position: int, text: Folded, start: int) -> list[Span]:
        rule = self.rules[position]
        most = MOST_REDACTED + 1 if rule.redacts or rule.exceptions else MAX_SPANS
        spans = self.matcher.spans(position, text, start=start, most=most)
        return [span for span in spans if rule.counts(text.original[span.start : span.end])]


NO_RULES = Verdict()
