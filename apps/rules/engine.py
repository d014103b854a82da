"""The rule engine: RE2, so every match takes time linear in the text.

Pure: no Django, no I/O. A set finds which patterns occur in a text in one pass; the few that do are then located one
by one. Every set carries a sentinel pattern that matches any text: RE2's Python binding answers `None` both for
"nothing matched" and for "the engine gave up", and a filter that cannot tell the two apart lets everything through.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import re2

MAX_PATTERN_LENGTH = 500
MAX_MEMORY = 32 * 2**20
MAX_SPANS = 20
_SENTINEL = r"\z"


class BadPattern(ValueError):
    """A pattern that RE2 cannot run. The message says why, for the person who wrote it."""


class EngineFailed(Exception):
    """The engine gave up on a text. Whoever asked must treat the text as not checked."""


@dataclass(frozen=True, slots=True)
class Span:
    """A match: `text[start:end]`."""

    start: int
    end: int


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


class Matcher:
    """A compiled, immutable set of patterns. Matching is thread-safe and lets other threads run."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Raises re2.error if a pattern is wrong or the set needs too much memory."""
        self._single = tuple(re2.compile(pattern, _options()) for pattern in patterns)
        self._set = re2.Set.SearchSet(_options())
        self._set.Add(_SENTINEL)
        for pattern in patterns:
            self._set.Add(pattern)
        self._set.Compile()

    def found(self, text: str) -> list[int]:
        """The positions of the patterns that occur in the text, ascending. Raises EngineFailed."""
        matched = self._set.Match(text)
        if not matched or 0 not in matched:
            return self._found_singly(text)
        return sorted(position - 1 for position in matched if position)

    def spans(self, position: int, text: str, *, start: int = 0, most: int = MAX_SPANS) -> list[Span]:
        """Where one pattern occurs from `start` on, at most so many times. What is before it counts as context."""
        spans = []
        for match in self._single[position].finditer(text, start):
            spans.append(Span(match.start(), match.end()))
            if len(spans) == most:
                break
        return spans

    def _found_singly(self, text: str) -> list[int]:
        try:
            return [position for position, pattern in enumerate(self._single) if pattern.search(text) is not None]
        except re2.error as error:
            raise EngineFailed("The rule engine could not search the text.") from error
