"""Text cut at what rules found in it and at invisible characters. Pure: texts stay plain, templates make markup."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

Found = tuple[int, int, str]  # where a match starts and ends, and the rule

# Invisible characters that change how text looks: control, zero-width, direction, tag and filler characters.
UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A run of text. `rules` were found in it; with `is_unseen` the text is the name of an invisible character."""

    text: str
    rules: tuple[str, ...] = ()
    is_unseen: bool = False


def mark(text: str, found: Iterable[Found]) -> Iterator[MarkedText]:
    """Split the text at the bounds of matches and at invisible characters."""
    for run in cut(text, found):
        yield from _seen(run.text, run.rules)


def cut(text: str, found: Iterable[Found]) -> Iterator[MarkedText]:
    """Split the text at the bounds of matches."""
    spans = [(max(0, start), min(end, len(text)), name) for start, end, name in found]
    cuts = sorted({0, len(text), *(place for start, end, _ in spans if start < end for place in (start, end))})
    for start, end in pairwise(cuts):
        names = dict.fromkeys(name for first, last, name in spans if first <= start and end <= last)
        yield MarkedText(text[start:end], tuple(names))


def name_of(unseen: str) -> str:
    return f"U+{ord(unseen):04X}"


def _seen(text: str, rules: tuple[str, ...]) -> Iterator[MarkedText]:
    last = 0
    for match in UNSEEN.finditer(text):
        if match.start() > last:
            yield MarkedText(text[last : match.start()], rules)
        yield MarkedText(name_of(match.group()), rules, is_unseen=True)
        last = match.end()
    if last < len(text):
        yield MarkedText(text[last:], rules)
