r"""The rule engine. It uses RE2, so every match takes time linear in the text.

Pure: no Django, no I/O. A rule is searched for in the raw text and in its folded copies (`normalize`), and `\b`, `\w`,
`\d` and `\s` mean Unicode (`unicode_words`). A set finds in one pass which patterns occur in a text; the few that do
are then located one by one. Every set contains a sentinel that matches any text, because RE2's Python binding answers
`None` both for "nothing matched" and for "the engine gave up", and the second must not let a text through.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any

import re2

from apps.rules.engine import prefilter
from apps.rules.engine.compiled import Form, Prepared, prepared
from apps.rules.engine.cost import MAX_PATTERN_LENGTH, Cost, TooCostly, admit, check
from apps.rules.engine.normalize import Folded, FoldedCopy, Span, fold, is_left_alone
from apps.rules.engine.pattern import BadPattern
from apps.rules.engine.re2_limits import compiled_set, gently

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
# Between texts that are looked at as one. It is no letter, and is spelled alike in all texts: so a word boundary lies
# beside it where it lay at the end of a text.
_SEAM = "|"
MOST_APART = 256  # searches for anchored patterns, text by text, in one look: some 0.5 ms
SET_SIZE = 10_000  # of RE2's instructions in one set: some 4 ms, during which the event loop waits
Validator = Callable[[str], bool]


class EngineFailed(Exception):
    """The engine gave up on a text. The caller must treat the text as not checked."""


def width(pattern: str) -> int | None:
    """The longest match in characters of a folded copy; None if there is no limit.

    The character after a match decides a boundary or an anchor at its end. In a text that goes on, a match that reaches
    the end so far may therefore turn out to be none.
    """
    return prepared(pattern).width


class Matcher:
    """A compiled, immutable set of patterns. Matching is thread-safe and lets other threads run."""

    def __init__(self, patterns: Sequence[str], validators: Sequence[Validator | None] = ()) -> None:
        """A match of a pattern counts only if the validator at the pattern's position, if any, accepts it.

        Raises re2.error or BadPattern if a pattern is wrong, and re2.error if the set needs too much memory.
        """
        ready = [prepared(pattern) for pattern in patterns]
        self._index = prefilter.Index([pattern.words for pattern in ready])
        self._empty = {position for position, pattern in enumerate(ready) if pattern.is_empty}
        anchored = [position for position, pattern in enumerate(ready) if pattern.is_anchored]
        self._anchored = [position for position in anchored if not ready[position].words]
        self._unanchored = frozenset(range(len(ready))).difference(anchored)
        self._native = _Searcher(ready, attrgetter("native"))
        self._spelled = _Searcher(ready, attrgetter("spelled"))
        self._validators = tuple(validators) or (None,) * len(patterns)

    def found(self, text: str | Folded) -> list[int]:
        """The positions of the patterns that occur in the text or a folded copy, ascending. Raises EngineFailed."""
        folded = fold(text) if isinstance(text, str) else text
        candidates: set[int] = set()
        for copy, likely in zip(
            folded.copies, self._index.candidates([copy.text for copy in folded.copies]), strict=True
        ):
            searcher = self._searcher(copy)
            candidates.update(searcher.found(copy))
            candidates.update(searcher.confirmed([p for p in likely if p not in candidates], copy))
        return [position for position in sorted(candidates) if self._counts(position, folded)]

    def finds_nothing(self, texts: Sequence[str]) -> bool:
        """Whether one look over all these texts shows that no pattern occurs in any. Raises EngineFailed.

        False proves nothing: a match may lie across two texts, or not be one for its validator, or it takes too long.
        """
        joined = _SEAM.join(texts)
        copies = [] if is_left_alone(joined) else _copies(texts)
        ascii = _SEAM.join([copy.text for copy in copies if copy.is_ascii]) if copies else joined
        others = [copy for copy in copies if not copy.is_ascii]
        (likely,) = self._index.candidates([_SEAM.join([ascii, *[copy.text for copy in others]])])
        if self._anchored or not self._unanchored.issuperset(likely):
            apart = [*self._anchored, *(position for position in likely if position not in self._unanchored)]
            each = copies or _copies(texts)
            if len(apart) * len(each) > MOST_APART or any(self._searcher(copy).confirmed(apart, copy) for copy in each):
                return False
            likely = [position for position in likely if position in self._unanchored]
        if not self._native.finds_nothing(ascii.encode(), likely):
            return False
        spelled = _SEAM.encode().join(copy.haystack for copy in others)
        return not others or self._spelled.finds_nothing(spelled, likely)

    def spans(self, position: int, text: str | Folded, *, start: int = 0, most: int = MAX_SPANS) -> list[Span]:
        """The places in the original text where one pattern occurs, from `start` on, at most `most`, in order.

        Overlapping places of several copies are merged into one. Text before `start` counts as context.
        """
        folded = fold(text) if isinstance(text, str) else text
        spans = [
            copy.span(match.start, match.end)
            for copy in folded.copies
            for match in islice(self._matches(position, copy, _place(copy, start)), most)
        ]
        return _merged(spans)[:most]

    def _counts(self, position: int, folded: Folded) -> bool:
        """Leaves out patterns whose matches are all empty or refused by the validator."""
        if self._validators[position] is None and position not in self._empty:
            return True
        return any(next(self._matches(position, copy), None) for copy in folded.copies)

    def _searcher(self, copy: FoldedCopy) -> "_Searcher":
        return self._native if copy.is_ascii else self._spelled

    def _matches(self, position: int, copy: FoldedCopy, start: int = 0) -> Iterator[Span]:
        valid = self._validators[position]
        for span in self._searcher(copy).matches(position, copy, start):
            if valid is None or valid(copy.text[span.start : span.end]):
                yield span


class _Searcher:
    """The patterns as written for one kind of text. Those without words are searched for together, in sets."""

    def __init__(self, patterns: Sequence[Prepared], form: Callable[[Prepared], Form]) -> None:
        self._patterns = tuple(patterns)
        self._form = form
        self._sets = [(part, self._set(part)) for part in gently(self._parts(), every=1)]

    def _single(self, position: int) -> Any:
        return self._form(self._patterns[position]).compiled

    def _parts(self) -> Iterator[tuple[int, ...]]:
        """The positions of the patterns without words, a tuple for each set."""
        part: list[int] = []
        size = 0
        for position, pattern in enumerate(self._patterns):
            if pattern.words:
                continue
            more = self._single(position).programsize
            if part and size + more > SET_SIZE:
                yield tuple(part)
                part, size = [], 0
            part.append(position)
            size += more
        if part:
            yield tuple(part)

    def _set(self, part: Sequence[int]) -> Any:
        return compiled_set([self._form(self._patterns[position]).source for position in part])

    def found(self, copy: FoldedCopy) -> list[int]:
        """The patterns without words that match."""
        return [position for part, together in self._sets for position in self._found(part, together, copy)]

    def finds_nothing(self, haystack: bytes, likely: Sequence[int]) -> bool:
        """Whether nothing occurs in it, of the patterns with words only the likely ones. False proves nothing."""
        if self._located(likely, haystack):
            return False
        # Only the sentinel matches; without it the engine gave up, and somebody must look properly.
        return all(together.Match(haystack) == [0] for _, together in self._sets)

    def _found(self, part: Sequence[int], together: Any, copy: FoldedCopy) -> Sequence[int]:
        matched = together.Match(copy.haystack)
        if not matched or 0 not in matched:
            return self.confirmed(part, copy)
        return [part[number - 1] for number in matched if number]

    def confirmed(self, positions: Sequence[int], copy: FoldedCopy) -> list[int]:
        """Those of these that match, looked for one by one."""
        return self._located(positions, copy.haystack)

    def _located(self, positions: Sequence[int], haystack: bytes) -> list[int]:
        try:
            return [position for position in positions if self._single(position).search(haystack) is not None]
        except re2.error as error:
            raise EngineFailed("The rule engine could not search the text.") from error

    def matches(self, position: int, copy: FoldedCopy, start: int) -> Iterator[Span]:
        """Where one pattern matches, in characters of the copy. Empty matches are left out."""
        at, place = copy.place(start), start
        for match in self._single(position).finditer(copy.haystack, at):
            first, last = match.span()
            if first < last:
                begin = place + copy.count(at, first)
                place = begin + copy.count(first, last)
                at = last
                yield Span(begin, place)


def _copies(texts: Sequence[str]) -> list[FoldedCopy]:
    return [copy for text in texts for copy in fold(text).copies]


def _place(copy: FoldedCopy, start: int) -> int:
    """The first character of a copy that comes from `start` of the original or from a later place."""
    return bisect_left(range(len(copy.text)), start, key=copy.origin) if start else 0


def _merged(spans: list[Span]) -> list[Span]:
    """The spans in order, with overlapping ones merged."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if merged and span.start < merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged
