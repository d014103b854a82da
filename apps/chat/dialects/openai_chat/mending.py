"""Gives the events of a stream the form that clients rely on, where a provider's differ. Pure.

Clients read `chunk.choices[0].delta.content` and put tool calls together by their index. Only those that asked for
usage expect events without choices, and usage at all.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeGuard

from apps.chat.dialects.fields import strings
from apps.chat.dialects.openai_chat.choices import index_of
from apps.chat.dialects.openai_chat.fields import LABELS

_NOTHING_NEW = LABELS.union(("created", "choices", "usage", "prompt_filter_results", "obfuscation"))
_EMPTY = {"index": 0, "delta": {}, "finish_reason": None}
_ENDS_OPEN = re.compile("[\ud800-\udbff]$")


def without_choices(payload: dict[str, Any], *, wants_usage: bool) -> dict[str, Any] | None:
    """An event without choices, for clients that asked for usage. Others get it only if it has words of its own."""
    if wants_usage:
        return payload if payload.get("choices") == [] else {**payload, "choices": []}
    if payload.keys() <= _NOTHING_NEW or not strings(payload, labels=_NOTHING_NEW):
        return None
    left = {key: value for key, value in payload.items() if key != "usage"}
    return {**left, "choices": [_EMPTY]}


class Calls:
    """Numbers the tool calls of a stream that come without an index."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, Any]] = {}  # of each choice: the number and the id of its last call

    def are_numbered(self, choice: int, calls: list[dict[str, Any]]) -> bool:
        """True if all of them are. Then they need no `numbered`, but those after them may."""
        if not all(is_number(call.get("index")) for call in calls):
            return False
        self.numbered(choice, calls)
        return True

    def numbered(self, choice: int, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [self._numbered(choice, call) for call in calls]

    def _numbered(self, choice: int, call: dict[str, Any]) -> dict[str, Any]:
        """A call without an index is another one if it has another id or, without one, a name."""
        last, last_id = self._last.get(choice, (-1, None))
        given, its_id = call.get("index"), call.get("id")
        if is_number(given):
            number = given
        elif last < 0 or (its_id and its_id != last_id) or (not its_id and _is_named(call)):
            number = last + 1
        else:
            number = last
        self._last[choice] = (number, its_id or last_id)
        return {**call, "index": number}


def is_number(index: Any) -> TypeGuard[int]:
    return type(index) is int and index >= 0


def _is_named(call: Mapping[str, Any]) -> bool:
    return any((call.get(kind) or {}).get("name") for kind in ("function", "custom"))


def with_delta(choice: dict[str, Any]) -> dict[str, Any]:
    """A choice of a stream that came without a delta. Its words may be in a message, as in a plain answer."""
    if isinstance(message := choice.get("message"), dict):
        return {**{key: value for key, value in choice.items() if key != "message"}, "delta": message}
    return {**choice, "delta": {}}


class Halves:
    """Joins surrogate pairs whose halves come in two events. What has no other half becomes U+FFFD."""

    def __init__(self) -> None:
        self.open: dict[tuple[int, str], str] = {}  # the first half at the end of a text, by its choice and channel

    def joined(self, payload: Any) -> Any:
        """An event with whole characters only. The first half of a pair waits for the next event of its choice."""
        if not isinstance(payload, dict) or not (choices := payload.get("choices")):
            return payload
        return {**payload, "choices": [self._in_choice(choice) for choice in choices]}

    def _in_choice(self, choice: dict[str, Any]) -> dict[str, Any]:
        index, is_end = index_of(choice), bool(choice.get("finish_reason"))
        delta = choice.get("delta") or {}
        texts = {key: value for key, value in delta.items() if isinstance(value, str)}
        if is_end:
            texts = {key: "" for number, key in self.open if number == index} | texts
        whole = {key: self._text((index, key), text, is_end=is_end) for key, text in texts.items()}
        return {**choice, "delta": {**delta, **whole}} if whole else choice

    def _text(self, place: tuple[int, str], text: str, *, is_end: bool) -> str:
        if not text and not is_end:
            return text
        whole = self.open.pop(place, "") + text
        if not is_end and _ENDS_OPEN.search(whole):
            whole, self.open[place] = whole[:-1], whole[-1]
        return whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
