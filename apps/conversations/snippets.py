"""The surroundings of searched words in a text. Pure."""

from collections.abc import Iterable, Sequence

from apps.conversations.marks import MarkedText, mark
from apps.conversations.search.words import Phrase, place_of

AROUND = 70  # characters on each side
SEARCHED = "the search"


def snippet(texts: Iterable[str], phrases: Sequence[Phrase]) -> tuple[MarkedText, ...]:
    """The place of the first phrase that stands in one of the texts, with every phrase there marked; else nothing."""
    for text in texts:
        for phrase in phrases:
            if place := place_of(text, phrase):
                return _around(text, place, phrases)
    return ()


def _around(text: str, place: tuple[int, int], phrases: Sequence[Phrase]) -> tuple[MarkedText, ...]:
    first, last = max(0, place[0] - AROUND), min(len(text), place[1] + AROUND)
    part = " ".join(("…" if first else "", text[first:last], "…" if last < len(text) else "")).strip()
    part = " ".join(part.split())
    found = [place_of(part, phrase) for phrase in phrases]
    return tuple(mark(part, [(*one, SEARCHED) for one in found if one]))
