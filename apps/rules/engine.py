"""The rule engine: RE2, so every match takes time linear in the text.

Pure: no Django, no I/O. A set finds which patterns occur in a text in one pass; the few that do are then located one
by one. Every set carries a sentinel pattern that matches any text: RE2's Python binding answers `None` both for
"nothing matched" and for "the engine gave up", and a filter that cannot tell the two apart lets everything through.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import re2

from apps.rules.folding import Folded, Span, View, fold

__all__ = ["BadPattern", "Cost", "EngineFailed", "Folded", "Matcher", "Span", "admit", "check", "fold", "width"]

Validator = Callable[[str], bool]

MAX_PATTERN_LENGTH = 500
MAX_MEMORY = 32 * 2**20
MAX_SPANS = 20
_SENTINEL = r"\z"


class BadPattern(ValueError):
    """A pattern that RE2 cannot run. The message says why, for the person who wrote it."""


class EngineFailed(Exception):
    """The engine gave up on a text. Whoever asked must treat the text as not checked."""


class TooCostly(BadPattern):
    """A pattern that RE2 runs in linear time, and still too slowly."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a pattern costs: RE2's instructions, and milliseconds on the worst hostile text of 32 kB that we made."""

    size: int
    milliseconds: float


def _options() -> re2.Options:
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    return options


def check(pattern: str) -> None:
    """Raise BadPattern unless the pattern can be part of a set."""
    if not pattern:
        raise BadPattern("Write a pattern.")
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise BadPattern(f"The pattern has {len(pattern)} characters; at most {MAX_PATTERN_LENGTH} are allowed.")
    try:
        compiled = re2.compile(pattern, _options())
        Matcher([pattern])
    except re2.error as error:
        raise BadPattern(_explain(error)) from error
    except (UnicodeError, ValueError) as error:
        raise BadPattern(f"The pattern contains characters that cannot be matched: {error}") from error
    if compiled.search("") is not None:
        raise BadPattern("The pattern matches the empty text, so it would match every prompt. Make some part required.")


def _explain(error: re2.error) -> str:
    reason = error.args[0] if error.args else "unknown reason"
    words = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    hint = ""
    if "(?" in words:
        hint = " Look-ahead and look-behind are not available: they can make a match take forever."
    elif "escape" in words:
        hint = " Back-references such as \\1 are not available: they can make a match take forever."
    return f"This pattern cannot be run: {words}.{hint}"


def width(pattern: str) -> int | None:
    """The longest match in characters of the folded copy; None if there is no limit."""
    return None


def admit(pattern: str, others: Sequence[str] = ()) -> Cost:
    """Raise BadPattern or TooCostly unless the pattern can join the others in one set. Takes up to a second."""
    check(pattern)
    return Cost(size=re2.compile(pattern, _options()).programsize, milliseconds=0.0)


class Matcher:
    """A compiled, immutable set of patterns. Matching is thread-safe and lets other threads run."""

    def __init__(self, patterns: Sequence[str], validators: Sequence[Validator | None] = ()) -> None:
        """A match of the pattern counts only if the validator at its position, if any, says so of the matched text.

        Raises re2.error if a pattern is wrong or the set needs too much memory.
        """
        self._single = tuple(re2.compile(pattern, _options()) for pattern in patterns)
        self._validators = tuple(validators) or (None,) * len(self._single)
        self._set = re2.Set.SearchSet(_options())
        self._set.Add(_SENTINEL)
        for pattern in patterns:
            self._set.Add(pattern)
        self._set.Compile()

    def found(self, text: str | Folded) -> list[int]:
        """The positions of the patterns that occur in the text or its folded copy, ascending. Raises EngineFailed."""
        folded = fold(text) if isinstance(text, str) else text
        candidates = {position for view in folded.views for position in self._candidates(view.text)}
        return [position for position in sorted(candidates) if self._is_valid(position, folded)]

    def spans(self, position: int, text: str | Folded, *, start: int = 0, most: int = MAX_SPANS) -> list[Span]:
        """Where in the original text one pattern occurs from `start` on, at most so many times, in order.

        What is before `start` counts as context.
        """
        folded = fold(text) if isinstance(text, str) else text
        spans = [
            view.span(match.start, match.end)
            for view in folded.views
            for match in islice(self._matches(position, view.text, _place(view, start)), most)
        ]
        return _merged(spans)[:most]

    def _is_valid(self, position: int, folded: Folded) -> bool:
        return self._validators[position] is None or bool(self.spans(position, folded))

    def _matches(self, position: int, text: str, start: int = 0) -> Iterator[Span]:
        valid = self._validators[position]
        for match in self._single[position].finditer(text, start):
            if valid is None or valid(match.group()):
                yield Span(match.start(), match.end())

    def _candidates(self, text: str) -> list[int]:
        matched = self._set.Match(text)
        if not matched or 0 not in matched:
            return self._found_singly(text)
        return [position - 1 for position in matched if position]

    def _found_singly(self, text: str) -> list[int]:
        try:
            return [position for position, pattern in enumerate(self._single) if pattern.search(text) is not None]
        except re2.error as error:
            raise EngineFailed("The rule engine could not search the text.") from error


def _place(view: View, start: int) -> int:
    """The first character of a view that comes from `start` of the original or later."""
    return bisect_left(range(len(view.text)), start, key=view.origin) if start else 0


def _merged(spans: list[Span]) -> list[Span]:
    """In order; those that overlap as one."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        if merged and (span.start < merged[-1].end or span == merged[-1]):
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged
