"""The rule engine: RE2, so every match takes time linear in the text.

Pure: no Django, no I/O. A rule is looked for in the raw text and in its folded copies (`folding`), and `\\b`, `\\w`,
`\\d` and `\\s` mean Unicode (`wide`). A set finds which patterns occur in a text in one pass; the few that do are then
located one by one. Every set carries a sentinel that matches any text: RE2's Python binding answers `None` both for
"nothing matched" and for "the engine gave up", and a filter that cannot tell the two apart lets everything through.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice

import re2

from apps.rules import patterns
from apps.rules.admission import MAX_PATTERN_LENGTH, Cost, TooCostly, admit, check
from apps.rules.folding import Folded, Span, View, fold
from apps.rules.patterns import BadPattern
from apps.rules.searching import compiled, compiled_set
from apps.rules.wide import spell_pattern

__all__ = [
    "MAX_PATTERN_LENGTH",
    "MAX_SPANS",
    "BadPattern",
    "Cost",
    "EngineFailed",
    "Folded",
    "Matcher",
    "Span",
    "TooCostly",
    "Validator",
    "admit",
    "check",
    "fold",
    "width",
]

MAX_SPANS = 20
Validator = Callable[[str], bool]


class EngineFailed(Exception):
    """The engine gave up on a text. Whoever asked must treat the text as not checked."""


def width(pattern: str) -> int | None:
    """The longest match in characters of a folded copy; None if there is no limit.

    A boundary or an anchor at the end of a match is decided by the character that follows. In a text that goes on, a
    match that reaches to the end so far may still turn out to be none.
    """
    return patterns.width(patterns.parse(pattern))


class Matcher:
    """A compiled, immutable set of patterns. Matching is thread-safe and lets other threads run."""

    def __init__(self, patterns: Sequence[str], validators: Sequence[Validator | None] = ()) -> None:
        """A match of a pattern counts only if the validator at its position, if there is one, says so of the match.

        Raises re2.error or BadPattern if a pattern is wrong, re2.error if the set needs too much memory.
        """
        self._native = _Searcher(patterns)
        self._spelled = _Searcher([_spelled(pattern) for pattern in patterns])
        self._validators = tuple(validators) or (None,) * len(patterns)

    def found(self, text: str | Folded) -> list[int]:
        """The positions of the patterns that occur in the text or a folded copy, ascending. Raises EngineFailed."""
        folded = fold(text) if isinstance(text, str) else text
        candidates: set[int] = set()
        for view in folded.views:
            candidates.update(self._searcher(view).candidates(view.haystack))
        return [position for position in sorted(candidates) if self._counts(position, folded)]

    def spans(self, position: int, text: str | Folded, *, start: int = 0, most: int = MAX_SPANS) -> list[Span]:
        """Where in the original text one pattern occurs from `start` on, at most so many times, in order.

        Places found in several copies are one place if they overlap. What is before `start` counts as context.
        """
        folded = fold(text) if isinstance(text, str) else text
        spans = [
            view.span(match.start, match.end)
            for view in folded.views
            for match in islice(self._matches(position, view, _place(view, start)), most)
        ]
        return _merged(spans)[:most]

    def _counts(self, position: int, folded: Folded) -> bool:
        """A validator has the last word."""
        valid = self._validators[position]
        return valid is None or any(next(self._matches(position, view), None) for view in folded.views)

    def _searcher(self, view: View) -> "_Searcher":
        return self._native if view.is_ascii else self._spelled

    def _matches(self, position: int, view: View, start: int = 0) -> Iterator[Span]:
        valid = self._validators[position]
        for span in self._searcher(view).matches(position, view, start):
            if valid is None or valid(view.text[span.start : span.end]):
                yield span


class _Searcher:
    """The patterns as they are written for one kind of text."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = tuple(patterns)
        self._set = compiled_set(patterns)

    def candidates(self, haystack: bytes) -> list[int]:
        """The patterns that match, in one pass."""
        matched = self._set.Match(haystack)
        if not matched or 0 not in matched:
            return self._singly(haystack)
        return [position - 1 for position in matched if position]

    def _singly(self, haystack: bytes) -> list[int]:
        try:
            return [number for number, pattern in enumerate(self._patterns) if compiled(pattern).search(haystack)]
        except re2.error as error:
            raise EngineFailed("The rule engine could not search the text.") from error

    def matches(self, position: int, view: View, start: int) -> Iterator[Span]:
        """Where one pattern matches, in characters of the view. Places that hold nothing are left out."""
        at, place = view.place(start), start
        for match in compiled(self._patterns[position]).finditer(view.haystack, at):
            first, last = match.span()
            if first < last:
                begin = place + view.count(at, first)
                place = begin + view.count(first, last)
                at = last
                yield Span(begin, place)


@lru_cache(maxsize=4096)
def _spelled(pattern: str) -> str:
    return spell_pattern(patterns.parse(pattern))


def _place(view: View, start: int) -> int:
    """The first character of a view that comes from `start` of the original or later."""
    return bisect_left(range(len(view.text)), start, key=view.origin) if start else 0


def _merged(spans: list[Span]) -> list[Span]:
    """In order; those that overlap as one."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if merged and span.start < merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged
