"""Rules written as words and phrases instead of a pattern. Pure.

Only the pattern is stored. `read` gets the words back from it, and only if writing them again gives the same pattern,
so the two cannot drift apart.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations

from apps.common.translation import gettext

MOST_PHRASES = 100
MOST_TOGETHER = 3  # phrases in any order: each order is a branch of the pattern
_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")
_FLAGS = re.compile(r"\(\?(i?)(s?)\)")
_PIECE = re.compile(r"(?P<edge>\\b)|(?P<gap>\\s\+)|\\(?P<special>[\\.+*?()|\[\]{}^$])|(?P<plain>[^\\.+*?()|\[\]{}^$])")
_BETWEEN = ".*"


@dataclass(frozen=True, slots=True)
class Phrases:
    """Phrases of which any is looked for, or all of them in one message and in any order."""

    phrases: tuple[str, ...]
    are_together: bool = False
    is_whole: bool = True  # do not look inside longer words
    ignores_case: bool = True


def lines(text: str) -> tuple[str, ...]:
    """The phrases that a person wrote, one a line, each once and without extra spaces."""
    return tuple(dict.fromkeys(phrase for line in text.splitlines() if (phrase := " ".join(line.split()))))


def complaint(words: Phrases) -> str:
    """What is wrong with the phrases, in a sentence; empty if nothing is."""
    count = len(words.phrases)
    if words.are_together and count > MOST_TOGETHER:
        return gettext(
            "These are {count} phrases; at most {most_together} can be looked for together in any order."
        ).format(count=count, most_together=MOST_TOGETHER)
    return (
        gettext("These are {count} phrases; at most {most_phrases} fit in one rule.").format(
            count=count, most_phrases=MOST_PHRASES
        )
        if count > MOST_PHRASES
        else ""
    )


def write(words: Phrases) -> str:
    """The pattern for these words."""
    phrases = [_written(phrase, is_whole=words.is_whole) for phrase in words.phrases]
    if not _is_several(words):
        return f"{'(?i)' if words.ignores_case else ''}{'|'.join(phrases)}"
    orders = (_BETWEEN.join(order) for order in permutations(phrases))
    return f"(?{'i' if words.ignores_case else ''}s){'|'.join(orders)}"


def read(pattern: str) -> Phrases | None:
    """The words for which this is the pattern; None if people wrote the pattern themselves."""
    return next((words for words in _candidates(pattern) if write(words) == pattern), None)


def _is_several(words: Phrases) -> bool:
    return words.are_together and len(words.phrases) > 1


def _written(phrase: str, *, is_whole: bool) -> str:
    written = r"\s+".join(_SPECIAL.sub(r"\\\1", part) for part in phrase.split(" "))
    if not is_whole:
        return written
    return rf"{_edge(phrase[0])}{written}{_edge(phrase[-1])}"


def _edge(character: str) -> str:
    """A word can only end at a character of words: behind the last + of C++ there is no edge."""
    return r"\b" if character.isalnum() or character == "_" else ""


def _candidates(pattern: str) -> Iterator[Phrases]:
    flags = _FLAGS.match(pattern)
    if flags and not flags[0].strip("(?)"):
        return
    ignores_case, are_together = bool(flags and flags[1]), bool(flags and flags[2])
    alternatives = _split(pattern[flags.end() :] if flags else pattern)
    # A star of a phrase is escaped, so this one always stands between two phrases.
    phrases = _phrases(alternatives[0].split(_BETWEEN) if are_together else alternatives)
    for is_whole in (True, False) if phrases else ():
        yield Phrases(phrases, are_together, is_whole, ignores_case)


def _split(pattern: str) -> list[str]:
    """The alternatives of a pattern. An escaped bar belongs to a phrase."""
    parts: list[str] = []
    for part in pattern.split("|"):
        if parts and _ends_escaping(parts[-1]):
            parts[-1] += f"|{part}"
        else:
            parts.append(part)
    return parts


def _ends_escaping(part: str) -> bool:
    return (len(part) - len(part.rstrip("\\"))) % 2 == 1


def _phrases(parts: Iterable[str]) -> tuple[str, ...]:
    """The phrases of these parts; none if a part is not made of plain words."""
    phrases = [_phrase(part) for part in parts]
    return tuple(phrase for phrase in phrases if phrase) if all(phrases) else ()


def _phrase(part: str) -> str:
    found, at = [], 0
    while at < len(part):
        piece = _PIECE.match(part, at)
        if piece is None:
            return ""
        found.append(" " if piece["gap"] else piece["special"] or piece["plain"] or "")
        at = piece.end()
    return "".join(found)
