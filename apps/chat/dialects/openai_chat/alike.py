"""Reads stream events that differ from one another only in their text, as nearly all do, without parsing each. Pure.

One parsed event teaches what they have in common: everything before its text, and everything behind. An event with the
same beginning and end is the same with another text, provided that the part between is the inside of a JSON string.
"""

import re
from collections.abc import Sequence
from typing import Any

import orjson

from apps.chat.dialects.openai_chat.choices import index_of
from apps.chat.dialects.recorded import RecordedText

_CONTENT = re.compile(rb'"content"\s*:\s*"')
_INSIDE = re.compile(rb'[^"\\\x00-\x1f]*(?:\\["\\/bfnrtu][^"\\\x00-\x1f]*)*')
_DATA = b"data: "
_OTHER = "\x7f"  # a text to try, unlike that of the event


class AlikeEvents:
    """Events that consist of `before`, a text of this choice, and `behind`."""

    __slots__ = ("_between", "_end", "_least", "_start", "_stop", "before", "behind", "choice")

    def __init__(self, before: bytes, behind: bytes, *, choice: int) -> None:
        self.before, self.behind, self.choice = before, behind, choice
        self._start, self._stop = len(before), -len(behind)
        self._least = len(before) + len(behind)  # otherwise beginning and end would overlap
        self._end = behind + b"\n\n"
        self._between = self._end + before

    def record(self, block: bytes, recorded: RecordedText) -> bool:
        """Record a block that consists only of such events. False if it does not."""
        if not block.startswith(self.before) or not block.endswith(self._end) or len(block) < self._least + 2:
            return False
        inside = block[self._start : self._stop - 2]
        if self._between in inside:
            texts = _texts(inside.split(self._between))
            if texts is not None:
                recorded.extend(self.choice, texts)
            return texts is not None
        text = _parsed(b'"' + inside + b'"')
        if text:
            recorded.add(self.choice, text)
        return text is not None

    def texts(self, events: Sequence[bytes]) -> list[str] | None:
        """The texts of events that begin and end like these. None if one of them is something else."""
        if min(map(len, events)) < self._least:
            return None
        return _texts([event[self._start : self._stop] for event in events])


def _texts(pieces: Sequence[bytes]) -> list[str] | None:
    """The decoded texts, if each piece is the inside of a JSON string; else None.

    All pieces are parsed as one list. A quotation mark within a piece would end its string and begin another, which
    changes the number of strings; only an escaped one at the end of a piece would not.
    """
    joined = b'","'.join(pieces)
    if b'\\","' in joined:
        return None
    try:
        texts: list[str] = orjson.loads(b'["' + joined + b'"]')
        "".join(texts)  # raises unless all of them are strings
    except (orjson.JSONDecodeError, TypeError):
        return None
    return texts if len(texts) == len(pieces) else None


def learned(event: bytes, payload: dict[str, Any]) -> AlikeEvents | None:
    """What other events may have in common with this one. None if it does more than carry a text."""
    if not event.startswith(_DATA) or b"\n" in event or payload.get("usage") or not _brings_text(payload):
        return None
    (choice,) = payload["choices"]
    other = {**payload, "choices": [{**choice, "delta": {"content": _OTHER}}]}
    for key in _CONTENT.finditer(event):
        inside = _INSIDE.match(event, key.end())
        before, behind = event[: key.end()], event[inside.end() if inside else len(event) :]
        if behind.startswith(b'"') and _means(before[len(_DATA) :] + _OTHER.encode() + behind, other):
            return AlikeEvents(before, behind, choice=index_of(choice))
    return None


def _brings_text(payload: dict[str, Any]) -> bool:
    choices = payload.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or choices[0].get("finish_reason"):
        return False
    delta = choices[0].get("delta")
    if not isinstance(delta, dict) or delta.keys() != {"content"}:
        return False
    return isinstance(delta["content"], str) and delta["content"] != _OTHER


def _means(data: bytes, payload: dict[str, Any]) -> bool:
    try:
        return bool(_parsed(data) == payload)
    except RecursionError:  # orjson parses deeper nesting than Python compares
        return False


def _parsed(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
