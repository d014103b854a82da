"""Words of texts and of searches, as the index compares them. Pure."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

LONGEST_TEXT = 100_000
LONGEST_WORD = 64
LEAST_BEGINNING = 3  # characters; a shorter word must be whole
MOST_WORDS = 20  # of a search

_PLAIN = bytes(ord(chr(byte).lower()) if chr(byte).isalnum() else 32 for byte in range(128)) + bytes([32]) * 128
_OTHER = re.compile(r"[\W_]+")
_ALONE = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that follow one another. The last may go on if it `is_open`."""

    words: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        return len(self.words[-1]) >= LEAST_BEGINNING


def joined(turns: Iterable[tuple[int | None, str]]) -> str:
    """Texts of a call with their messages, in order: pieces of one message belong together."""
    return "\n".join("".join(text for _, text in group) for _, group in groupby(turns, key=itemgetter(0)))


def comparable(text: str) -> str:
    """The words of a text with a space between them."""
    text = text[:LONGEST_TEXT]
    plain = text.encode().translate(_PLAIN).decode() if text.isascii() else _without_marks(text)
    words = plain.split()
    if max(map(len, words), default=0) > LONGEST_WORD:
        words = [word[:LONGEST_WORD] for word in words]
    return " ".join(words)


def _without_marks(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text)
    bare = "".join([letter for letter in letters if not unicodedata.category(letter).startswith("M")])
    return _ALONE.sub(r" \1 ", _OTHER.sub(" ", bare.casefold()))


def phrases(search: str) -> list[Phrase]:
    """What is searched for; empty if there is no word in it."""
    found = (Phrase(tuple(comparable(part).split())) for part in search.split())
    return [phrase for phrase in dict.fromkeys(found) if phrase.words][:MOST_WORDS]


def place_of(text: str, phrase: Phrase) -> tuple[int, int] | None:
    """Where the words stand in a text as it was written, if they are written as they are compared."""
    words = r"[\W_]*".join(re.escape(word) for word in phrase.words)
    match = re.search(rf"(?<![^\W_]){words}", text, re.IGNORECASE) or re.search(words, text, re.IGNORECASE)
    return match.span() if match else None
