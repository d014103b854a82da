"""Decides whether a pattern may become a rule, by limits on its form and by its cost on hostile texts.

Linear time is not always fast: sixty patterns like `x.{0,20}[yz].{0,20}` take seconds for a long prompt. So a pattern
is measured on texts made of its own words and near-misses of them: alone, and with the rules that `matcher` runs as one
set.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import re2

from apps.rules.engine.parser import parse, place
from apps.rules.engine.pattern import BadPattern, Node, atoms, repeats, shortest
from apps.rules.engine.prefilter import required
from apps.rules.engine.re2_limits import compiled, compiled_set
from apps.rules.engine.unicode_words import spell_pattern
from apps.rules.engine.worst_case import hostile_texts, worst_milliseconds

MAX_PATTERN_LENGTH = 500
MAX_SIZE = 2_000  # RE2 instructions
MAX_SET_SIZE = 200_000
MAX_RULES = 1_000
MAX_REPEATS = 200
MAX_MILLISECONDS = 6.0  # of one pattern, for its worst text
MAX_SET_MILLISECONDS = 60.0


class TooCostly(BadPattern):
    """A pattern that is too slow, though RE2 runs it in linear time, or that needs too much memory."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a pattern: RE2 instructions, and milliseconds for the worst text, alone and in the set."""

    size: int
    milliseconds: float
    set_milliseconds: float = 0.0


_HINTS = (
    (
        ("(?=", "(?!", "(?<=", "(?<!"),
        "Look-ahead and look-behind are not available: they can make a match take forever.",
    ),
    (
        ("(?>", "++", "*+", "?+", "}+"),
        "Possessive repetition is not available, and not needed: no match takes forever.",
    ),
    (("(?P=", r"\k", r"\g"), "Back-references are not available: they can make a match take forever."),
    ((r"\Z",), r"Write \z for the end of the text."),
    ((r"\u", r"\U"), r"Write \x{1F600} for a character by its number."),
    (
        (r"\N", r"\h", r"\R", r"\X", r"\K", r"\G"),
        r"This escape is not available. \s is any white space, \p{L} any letter.",
    ),
    (("{",), f"At most {MAX_REPEATS} repetitions are allowed, and 1,000 with those around them."),
    (("(?x", "(?u", "(?a", "(?L", "(?#"), "Of the flags, i, m, s and U are available."),
)
_BACK_REFERENCE = "Back-references such as \\1 are not available: they can make a match take forever."


def check(pattern: str) -> None:
    """Raise BadPattern unless the pattern can be part of a set. Fast: nothing is measured."""
    if not pattern:
        raise BadPattern("Write a pattern.")
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise BadPattern(f"The pattern has {len(pattern)} characters; at most {MAX_PATTERN_LENGTH} are allowed.")
    try:
        size = compiled(pattern).programsize
        node = parse(pattern)
        compiled_set([pattern, spell_pattern(node)])
    except re2.error as error:
        raise BadPattern(_explained(pattern, error)) from error
    except UnicodeError as error:
        raise BadPattern(f"The pattern contains characters that cannot be matched: {error}") from error
    if shortest(node) == 0:
        raise BadPattern("The pattern matches the empty text, so it would match every prompt. Make some part required.")
    _check_repeats(pattern, node)
    if any("\ud800" <= end <= "\udfff" for atom in atoms(node) for item in atom.items for end in item[:2]):
        raise BadPattern("The pattern names half of a character, U+D800 to U+DFFF. No text holds one.")
    if size > MAX_SIZE:
        raise TooCostly(
            f"The pattern makes {size:,} instructions; at most {MAX_SIZE:,} are allowed. "
            "Repetition less, or make two rules of it."
        )


def _explained(pattern: str, error: re2.error) -> str:
    reason = error.args[0] if error.args else "unknown reason"
    words = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    kind, _, fragment = words.partition(": ")
    at = pattern.find(fragment) if fragment else -1
    where = f" {place(pattern, at)}" if at >= 0 else ""
    return f"This pattern cannot be run: {kind}{where}. {_hint(pattern[at:] if at >= 0 else fragment)}".rstrip()


def _hint(fragment: str) -> str:
    for beginnings, hint in _HINTS:
        if fragment.startswith(beginnings):
            return hint
    return _BACK_REFERENCE if fragment[:1] == "\\" and fragment[1:2].isdigit() else ""


def _check_repeats(pattern: str, node: Node) -> None:
    """RE2 itself refuses more than a thousand, nested repetitions included."""
    for times, at in repeats(node):
        if times > MAX_REPEATS:
            raise TooCostly(f"{times} repetitions {place(pattern, at)}; at most {MAX_REPEATS} are allowed.")


def admit(pattern: str, others: Sequence[str] = ()) -> Cost:
    """Raise BadPattern or TooCostly unless the pattern can join the others in one set. Takes up to a second."""
    check(pattern)
    if len(others) >= MAX_RULES:
        raise TooCostly(f"There are {len(others):,} rules already; at most {MAX_RULES:,} are allowed.")
    size = compiled(pattern).programsize
    together = size + sum(compiled(other).programsize for other in others)
    if together > MAX_SET_SIZE:
        raise TooCostly(
            f"All rules together make {together:,} instructions; at most {MAX_SET_SIZE:,} are allowed. "
            "Retire rules that nobody needs."
        )
    return _measured(pattern, others, size)


def _measured(pattern: str, others: Sequence[str], size: int) -> Cost:
    texts = hostile_texts(pattern)
    alone = worst_milliseconds([pattern], texts, MAX_MILLISECONDS)
    if alone > MAX_MILLISECONDS:
        raise TooCostly(
            f"The pattern takes {alone:.0f} ms for a long text that is made to slow it down; at most "
            f"{MAX_MILLISECONDS:.0f} are allowed. Most often a gap such as .{{0,40}} is the reason: "
            ".* costs nothing, and a shorter gap less."
        )
    together = [each for each in (*others, pattern) if not required(parse(each))]
    try:
        in_set = max(alone, worst_milliseconds(together, texts, MAX_SET_MILLISECONDS) if others else 0.0)
    except re2.error as error:
        raise TooCostly("All rules together need too much memory. Retire rules that nobody needs.") from error
    if in_set > MAX_SET_MILLISECONDS:
        raise TooCostly(
            f"With this pattern, all rules together take {in_set:.0f} ms for a long text; at most "
            f"{MAX_SET_MILLISECONDS:.0f} are allowed."
        )
    return Cost(size, alone, in_set)
