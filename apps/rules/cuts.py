"""Redaction: what is cut out of a text, and what stands there instead. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


class RedactingRule(Protocol):
    """A rule, as far as it redacts."""

    @property
    def replacement(self) -> str: ...
    @property
    def priority(self) -> int: ...


class RedactingHit(Protocol):
    """A place in a text where such a rule was found."""

    @property
    def rule(self) -> RedactingRule: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Cut:
    """`text[start:end]` goes, and the replacement stands in its place."""

    start: int
    end: int
    replacement: str


def cuts(found: Iterable[RedactingHit]) -> list[Cut]:
    """What to cut, in order. Places that overlap are one cut, for which the rule with the highest priority speaks."""
    made: list[Cut] = []
    speaking = 0
    for hit in sorted(found, key=lambda hit: (hit.start, -hit.rule.priority, hit.end)):
        rule = hit.rule
        if not made or hit.start >= made[-1].end:
            made.append(Cut(hit.start, hit.end, rule.replacement))
            speaking = rule.priority
            continue
        last = made[-1]
        replacement = rule.replacement if rule.priority > speaking else last.replacement
        speaking = max(speaking, rule.priority)
        made[-1] = Cut(last.start, max(last.end, hit.end), replacement)
    return made


def redacted(text: str, cut: Sequence[Cut]) -> str:
    pieces, last = [], 0
    for one in cut:
        pieces += [text[last : one.start], one.replacement]
        last = one.end
    return "".join([*pieces, text[last:]])


def moved(place: int, cut: Sequence[Cut], *, is_end: bool = False) -> int:
    """Where a place of the original text is in the redacted one; within a cut: where its replacement begins or ends."""
    shift = 0
    for one in cut:
        if place < one.start or (place == one.start and is_end):
            break
        if place < one.end or (place == one.end and is_end):
            return one.start + shift + (len(one.replacement) if is_end else 0)
        shift += len(one.replacement) - (one.end - one.start)
    return place + shift
