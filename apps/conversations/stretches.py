"""The kinds of text in one message: what is said, what a model thought, and calls of tools. Pure.

The record has them one behind the other, as clients show them. Thoughts are known by the tags that models write around
them, calls of tools by the form in which they are recorded: a name in brackets, then a JSON object.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from apps.common.translation import lazy as _

SAID, THOUGHT, CALLED = "", _("Reasoning"), _("Tool call")
MOST_CALLS = 50

_THOUGHT = re.compile(r"<(think|thinking|reasoning)>(.*?)(?:</\1>|\Z)", re.DOTALL)
_CALL = re.compile(r"\[([A-Za-z_][\w.-]{0,63})\] (?=\{)")
_JSON = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class PassageStretch:
    """A stretch of the text. `kind` is empty for what is said; `name` is the tool that is called."""

    kind: str
    start: int
    end: int
    name: str = ""


def stretches(text: str) -> list[PassageStretch]:
    """The whole text, in order, without stretches of white space only."""
    found = [stretch for thought in _with_rest(_thoughts(text), 0, len(text)) for stretch in _divided(text, thought)]
    return [one for one in found if text[one.start : one.end].strip()]


def _divided(text: str, stretch: PassageStretch) -> Iterator[PassageStretch]:
    if stretch.kind:
        yield stretch
    else:
        yield from _with_rest(_calls(text, stretch), stretch.start, stretch.end)


def _with_rest(found: Iterator[PassageStretch], start: int, end: int) -> Iterator[PassageStretch]:
    """What was found, and what is said between it."""
    for one in found:
        yield PassageStretch(SAID, start, one.start)
        yield one
        start = one.end
    yield PassageStretch(SAID, start, end)


def _thoughts(text: str) -> Iterator[PassageStretch]:
    for match in _THOUGHT.finditer(text):
        yield PassageStretch(THOUGHT, match.start(), match.end())


def _calls(text: str, within: PassageStretch) -> Iterator[PassageStretch]:
    place = within.start
    for _turn in range(MOST_CALLS):
        match = _CALL.search(text, place, within.end)
        if match is None:
            return
        place = match.end()
        try:
            _, end = _JSON.raw_decode(text, place)
        except (ValueError, RecursionError):
            continue
        if end <= within.end:
            yield PassageStretch(CALLED, match.start(), end, match[1])
            place = end
