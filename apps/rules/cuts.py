"""Redaction: what is cut out of a text, and what replaces it. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


class RedactingRule(Protocol):
    """What redaction needs to know of a rule."""

    @property
    def replacement(self) -> str: ...
    @property
    def priority(self) -> int: ...


class RedactingHit(Protocol):
    """What redaction needs to know of a hit."""

    @property
    def rule(self) -> RedactingRule: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Cut:
    """The replacement takes the place of `text[start:end]`."""

    start: int
    end: int
    replacement: str


def cuts(found: Iterable[RedactingHit]) -> list[Cut]:
    """The cuts in order. Overlapping places are one cut, with the replacement of the rule with the highest priority."""
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
    """Where a place of the original is in the redacted text; within a cut, the start or end of its replacement."""
    shift = 0
    for one in cut:
        if place < one.start or (place == one.start and is_end):
            break
        if place < one.end or (place == one.end and is_end):
            return one.start + shift + (len(one.replacement) if is_end else 0)
        shift += len(one.replacement) - (one.end - one.start)
    return place + shift
