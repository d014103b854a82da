"""Applies rules to a whole answer, or to a complete part of one.

This module decides, for all of an answer, what happens if the engine fails: that is up to the course.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from apps.chat.call import ChatCall
from apps.chat.dialects.fields import Field
from apps.chat.guardrails import workers
from apps.chat.guardrails.redaction import redact
from apps.chat.guardrails.search import hits_in, placed
from apps.rules.engine import matcher
from apps.rules.engine.matcher import EngineFailed
from apps.rules.rulebook import MOST_REDACTED, CompiledRule, Hit, Occasion, Rulebook

logger = logging.getLogger(__name__)

T = TypeVar("T")

_ACTIONS = ("block", "redact")


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What is left of a value. With a `block`, that rule does not let it pass, and the value is for the record only.

    The part of a hit is the number of its choice, and its place is in the recorded text of this value.
    """

    value: dict[str, Any]
    hits: tuple[Hit, ...] = ()
    block: CompiledRule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRules:
    """The rules that apply to the answer of a call: whether any acts, and whether any only takes note.

    `width` is the longest match of those that act. None if one of them has no limit.
    """

    call: ChatCall
    book: Rulebook
    occasion: Occasion
    acts: bool
    notes: bool
    width: int | None

    @classmethod
    def of(cls, call: ChatCall, book: Rulebook, occasion: Occasion) -> "AnswerRules | None":
        """None if no rule applies to the answer on this occasion."""
        rules = [rule for position in book.answering if occasion.concerns(rule := book.rules[position])]
        if not rules:
            return None
        acting = [rule for rule in rules if _acts(rule)]
        widths = [matcher.width(rule.pattern) for rule in acting]
        width = None if None in widths else max((w for w in widths if w is not None), default=0)
        notes = len(acting) < len(rules)
        return cls(call=call, book=book, occasion=occasion, acts=bool(acting), notes=notes, width=width)

    def acting_in(self, text: str | matcher.Folded, *, start: int = 0) -> list[Hit]:
        """The hits of rules that act, from `start` on. Raises EngineFailed."""
        return self._checked(lambda: [hit for hit in self._found(text, start) if _acts(hit.rule)], otherwise=[])

    def examine(self, value: dict[str, Any], fields: Sequence[Field]) -> Examined:
        """Check all fields of an answer, or of the rest of an event. CPU-bound. Raises EngineFailed."""
        return self._checked(lambda: _examined(value, fields, self), otherwise=Examined(value=value))

    def notes_in(self, text: str) -> list[Hit]:
        """The hits of rules that only take note. Empty if the engine fails, since they stop nothing."""
        try:
            return [hit for hit in self._found(text, 0) if not _acts(hit.rule)]
        except EngineFailed:
            logger.error("The answer of call %s was not looked at by rules that only take note", self.call.id)
            return []

    def _found(self, text: str | matcher.Folded, start: int) -> Iterator[Hit]:
        most = [MOST_REDACTED] * len(self.book.rules)
        return self.book.found(text, occasion=self.occasion, start=start, most=most)

    def _checked(self, look: Callable[[], T], *, otherwise: T) -> T:
        try:
            return look()
        except EngineFailed as error:
            if not self.book.lets_pass:
                raise
            workers.let_pass(self.call.id, error)
            return otherwise


def _acts(rule: CompiledRule) -> bool:
    return rule.acts and rule.action in _ACTIONS


def _examined(value: dict[str, Any], fields: Sequence[Field], rules: AnswerRules) -> Examined:
    dialect = rules.call.dialect
    hits = hits_in(rules.book, fields, rules.occasion)
    if not hits:
        return Examined(value=value)
    left = redact(value, fields, hits)

    def recorded(hit: Hit) -> Hit:
        field = fields[hit.part]
        base = dialect.answer_place(left.body, field)
        return placed(hit, left, message=field.message, base=base, direction="answer")

    shown = dialect.without_copies(left.body, [fields[number] for number in left.cuts])
    return Examined(value=shown, hits=tuple(dict.fromkeys(map(recorded, hits))), block=blocking(hits, left.stuck))


def blocking(hits: Sequence[Hit], stuck: Sequence[CompiledRule] = ()) -> CompiledRule | None:
    """The rule that stops an answer: of those that block, else of those stuck, the one of highest priority."""
    found = [hit.rule for hit in hits if hit.rule.acts and hit.rule.action == "block"]
    return max(found or stuck, key=lambda rule: rule.priority, default=None)
