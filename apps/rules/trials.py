"""Tries a rule on a text, with the same search as the data plane. Stores nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from apps.rules import examples, exemptions
from apps.rules.engine.matcher import Matcher, check
from apps.rules.engine.normalize import Folded, FoldedCopy, FoldedPiece, fold
from apps.rules.examples import LONGEST_LINE, MOST_LINES, Example
from apps.rules.rulebook import CompiledRule, Rulebook

LONGEST_TEXT = 20_000
_HERE = "enforce"


@dataclass(frozen=True, slots=True)
class TrialPiece:
    """A run of the text that was tried."""

    text: str
    is_match: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The result of a trial: where the rule is found, and what redaction would leave of the text."""

    pieces: tuple[TrialPiece, ...]
    matches: int
    redacted: tuple[TrialPiece, ...]
    examples: tuple[Example, ...]
    is_disguised: bool  # found only in a folded copy
    copies: tuple[tuple[TrialPiece, ...], ...]  # folded copies that differ from the text, with what is found in each
    is_excepted: bool  # the pattern matches, but only exceptions
    fails_check: bool  # the pattern matches, but nothing with valid check digits

    @property
    def wrong_examples(self) -> int:
        return sum(not example.is_right for example in self.examples)


def try_out(rule: Any, text: str, *, exceptions: Iterable[str] = ()) -> Trial:
    """Try a rule, stored or not, on a text. Raises BadPattern and EngineFailed."""
    check(rule.pattern)
    compiled, folded = as_compiled(rule, exceptions=frozenset(exceptions)), fold(text)
    matcher = Rulebook.of([compiled]).matcher
    found = _places(matcher, folded)
    spans = [(start, end) for start, end in found if compiled.counts(text[start:end])]
    return Trial(
        pieces=tuple(_pieces(text, spans, replacement=None)),
        matches=len(spans),
        redacted=tuple(_pieces(text, spans, replacement=rule.replacement)),
        examples=tuple(_examples(rule, compiled.exceptions)),
        is_disguised=bool(spans) and not _places(matcher, _alone(text)),
        copies=tuple(
            tuple(_pieces(copy.text, _places(matcher, _alone(copy.text)), replacement=None))
            for copy in folded.copies
            if copy.text != text
        ),
        is_excepted=bool(found) and not spans,
        fails_check=not found and bool(rule.checksum) and bool(Matcher([rule.pattern]).found(folded)),
    )


@dataclass(frozen=True, slots=True)
class TrialLine:
    """One line of the text, by itself, and where the rule is found in it."""

    text: str
    pieces: tuple[TrialPiece, ...]

    @property
    def is_found(self) -> bool:
        return any(piece.is_match for piece in self.pieces)

    @property
    def may_be_example(self) -> bool:
        return len(self.text) <= LONGEST_LINE


@dataclass(frozen=True, slots=True)
class TrialRule:
    """An enforced rule that was found in the text, and whether it holds at this time."""

    rule: Any
    holds_now: bool


@dataclass(frozen=True, slots=True)
class TrialOfAll:
    """Which of so many enforced rules were found."""

    tried: int
    found: tuple[TrialRule, ...]


def try_lines(rule: Any, text: str, *, exceptions: Iterable[str] = ()) -> tuple[TrialLine, ...]:
    """Try a rule on the lines of a text, without blank ones and up to MOST_LINES. Raises EngineFailed."""
    compiled = as_compiled(rule, exceptions=frozenset(exceptions))
    matcher = Rulebook.of([compiled]).matcher

    def line(text: str) -> TrialLine:
        spans = [(start, end) for start, end in _places(matcher, fold(text)) if compiled.counts(text[start:end])]
        return TrialLine(text, tuple(_pieces(text, spans, replacement=None)))

    return tuple(line(text) for _, text in islice(examples.lines(text), MOST_LINES))


def try_all(rules: Iterable[Any], text: str, *, now: datetime) -> TrialOfAll:
    """Try all of these rules on a text, each with its exceptions. Raises EngineFailed."""
    known = list(rules)
    excepted = [frozenset(exception.text for exception in rule.exceptions.all()) for rule in known]
    book = Rulebook.of([as_compiled(rule, exceptions=own) for rule, own in zip(known, excepted, strict=True)])
    found = {hit.rule.id for hit in book.screen([text]).hits}
    return TrialOfAll(
        len(known),
        tuple(TrialRule(rule, rule.schedule.covers(now, timezone=rule.zone.key)) for rule in known if rule.pk in found),
    )


def _places(matcher: Matcher, text: Folded) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in matcher.spans(0, text, most=len(text.original))]


def _alone(text: str) -> Folded:
    """A text without folded copies."""
    raw = FoldedCopy(text, (FoldedPiece(text, 0, len(text)),))
    return Folded(text, (raw,), raw)


def as_compiled(rule: Any, *, exceptions: frozenset[str]) -> CompiledRule:
    """The rule as the data plane would have it if it were enforced now and everywhere."""
    return CompiledRule(
        id=rule.pk or 0,
        name=rule.name,
        pattern=rule.pattern,
        action=rule.action,
        stage=_HERE,
        priority=rule.priority,
        message=rule.message,
        guidance=rule.guidance,
        direction=rule.direction,
        replacement=rule.replacement,
        checksum=rule.checksum,
        exceptions=exceptions,
    )


def _pieces(text: str, spans: Iterable[tuple[int, int]], *, replacement: str | None) -> Iterator[TrialPiece]:
    last = 0
    for start, end in spans:
        if start > last:
            yield TrialPiece(text[last:start], False)
        yield TrialPiece(text[start:end] if replacement is None else replacement, True)
        last = end
    if last < len(text):
        yield TrialPiece(text[last:], False)


def finds(rule: Any, text: str) -> bool:
    """True if the rule is found in this text, as an example of its own would be."""
    found = examples.tried(rule.pattern, checksum=rule.checksum, match=text, no_match="")
    return any(example.matches for example in found)


def finds_whole(rule: Any, text: str) -> bool:
    """True if this text, folded, is the whole of what the rule finds in it."""
    matcher = Rulebook.of([as_compiled(rule, exceptions=frozenset())]).matcher
    return any(exemptions.folded(text[span.start : span.end]) == text for span in matcher.spans(0, text))


def undone_example(rule: Any, *, exceptions: Iterable[str]) -> str:
    """An example that must be found, and would not be with these exceptions; empty if there is none."""
    tried = _examples(rule, frozenset(exceptions))
    return next((example.text for example in tried if example.should_match and not example.matches), "")


def _examples(rule: Any, excepted: frozenset[str]) -> list[Example]:
    return examples.tried(
        rule.pattern,
        checksum=rule.checksum,
        match=rule.examples_match,
        no_match=rule.examples_no_match,
        excepted=excepted,
    )
