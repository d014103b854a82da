"""Takes the events of a streamed chat completion apart for the guard, and rebuilds them. Pure."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from apps.chat.dialects.fields import BESIDE
from apps.chat.dialects.openai_chat.choices import index_of
from apps.chat.dialects.openai_chat.fields import LABELS
from apps.chat.dialects.openai_chat.text import texts_of
from apps.chat.dialects.protocol import Delta, EventPart
from apps.common.lenient_json import dumps, loads_exactly
from apps.common.sse import data_of

CHANNELS = ("content", "refusal", "reasoning_content", "reasoning")
_CALLS = ("tool_calls", "function_call")
_OLD_CALL = -1  # the key of the only call of the older kind
_TEXTS = ("name", "arguments", "input")  # fields of a call that come in pieces
_ENDS = re.compile(rb'"finish_reason"\s*:\s*"')
_FRAME = ("id", "object", "created", "model")
_NOT_BESIDE: tuple[str, ...] = ("choices", "usage")
_NOTHING_NEW = LABELS.union(_NOT_BESIDE, ("created",))
_HOLD_TEXT = (str, dict, list)
_NOT_IN_EVENT_S_REST = LABELS.union(_NOT_BESIDE)
_NOT_IN_CHOICE_S_REST = LABELS.union(("index", "delta"))
_NOT_IN_DELTA_S_REST = LABELS.union(_CALLS)


class ChatStreamEditor:
    """New events look like the last one that came."""

    channels: Sequence[str] = CHANNELS

    def __init__(self) -> None:
        self._frame: dict[str, Any] = {}

    def may_end(self, block: bytes) -> bool:
        return _ENDS.search(block) is not None

    def taken(self, event: bytes) -> "ChatEvent | None":
        data = data_of(event)
        if data is None:
            return None
        payload = _in_texts(loads_exactly(data))
        self._frame = {key: payload[key] for key in _FRAME if key in payload}
        return ChatEvent(payload)

    def text_event(self, choice: int, texts: Mapping[str, str]) -> bytes:
        return self._event(choice, texts)

    def whole(self, choice: int, key: int, pieces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """A tool call as if it had come in one piece: texts are joined, and of all else the last value counts."""
        held: dict[str, Any] = {}
        for piece in pieces:
            _add(held, piece)
        call = _put_together(held)
        message = {"function_call": call} if key == _OLD_CALL else {"tool_calls": [{"index": key, **call}]}
        return {"choices": [{"index": choice, "message": message}]}

    def whole_event(self, answer: Mapping[str, Any]) -> bytes:
        (choice,) = answer["choices"]
        return self._event(choice["index"], choice["message"])

    def _event(self, choice: int, delta: Mapping[str, Any]) -> bytes:
        return _event_of({**self._frame, "choices": [{"index": choice, "delta": delta, "finish_reason": None}]})


class ChatEvent:
    """An event. One without choices, such as the usage, comes after all text."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self._payload = payload
        self._choices: Sequence[dict[str, Any]] = payload.get("choices") or ()
        self.parts: Sequence[EventPart] = [
            EventPart(BESIDE, rest=_rest(payload, _NOT_IN_EVENT_S_REST)),
            *map(_part, self._choices),
        ]
        self.waits = not self._choices

    def rebuilt(self, parts: Sequence[EventPart]) -> bytes | None:
        beside, *others = parts
        if not self._choices:
            own = {key: value for key, value in self._payload.items() if key not in _NOT_BESIDE}
            last = {key: self._payload[key] for key in _NOT_BESIDE if key in self._payload}
            return _event_of({**own, **beside.rest, **last})
        pairs = zip(self._choices, others, strict=True)
        choices = [left for choice, part in pairs if (left := _rebuilt(choice, part)) is not None]
        if choices or self._payload.get("usage") or not self._payload.keys() <= _NOTHING_NEW:
            return _event_of({**self._payload, **beside.rest, "choices": choices})
        return None


def _in_texts(payload: dict[str, Any]) -> dict[str, Any]:
    """The event with texts for content in parts, so that rules can hold them back like any other."""
    choices = payload.get("choices") or ()
    if not any(isinstance((choice.get("delta") or {}).get("content"), list) for choice in choices):
        return payload
    return {**payload, "choices": [_choice_in_texts(choice) for choice in choices]}


def _choice_in_texts(choice: dict[str, Any]) -> dict[str, Any]:
    delta = choice.get("delta") or {}
    texts = texts_of(delta.get("content"))
    if texts is None or (texts.keys() - {"content"}) & delta.keys():
        return choice
    return {**choice, "delta": {**{key: value for key, value in delta.items() if key != "content"}, **texts}}


def _part(choice: dict[str, Any]) -> EventPart:
    index, delta = index_of(choice), choice.get("delta") or {}
    deltas = [Delta(index, key, text) for key in CHANNELS if isinstance(text := delta.get(key), str) and text]
    own = {
        key: one
        for key, one in _rest(delta, _NOT_IN_DELTA_S_REST).items()
        if key not in CHANNELS or not isinstance(one, str)  # what is no text where text belongs is checked whole
    }
    beside = _rest(choice, _NOT_IN_CHOICE_S_REST)
    rest = {key: value for key, value in (("delta", own), ("choice", beside)) if value}
    return EventPart(index, deltas, _pieces(delta), rest, is_end=bool(choice.get("finish_reason")))


def _rest(value: Mapping[str, Any], without: frozenset[str]) -> dict[str, Any]:
    """What may hold text, but for these keys."""
    return {key: one for key, one in value.items() if isinstance(one, _HOLD_TEXT) and key not in without}


def _pieces(delta: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    pieces: list[tuple[int, Mapping[str, Any]]] = []
    for call in delta.get("tool_calls") or ():
        number = call.get("index")
        pieces.append((number if isinstance(number, int) else 0, call))
    if isinstance(function := delta.get("function_call"), dict):
        pieces.append((_OLD_CALL, function))
    return pieces


def _rebuilt(choice: dict[str, Any], part: EventPart) -> dict[str, Any] | None:
    """What of a choice is sent with its event. None if all that it brought is held back."""
    delta = choice.get("delta") or {}
    held = [key for key, value in delta.items() if key in _CALLS or (key in CHANNELS and value and type(value) is str)]
    made = {key: value for key, value in delta.items() if key not in held and key not in CHANNELS}
    made |= part.rest.get("delta", {})
    released = {one.channel: one.text for one in part.deltas}
    for key in CHANNELS:
        if key in released:
            made[key] = released[key]
        elif key in delta and key not in held:
            made.setdefault(key, delta[key])
    if held and not made and not part.is_end:
        return None
    left = {key: value for key, value in choice.items() if key not in ("delta", "logprobs")}
    left |= part.rest.get("choice", {})
    if "logprobs" in choice:
        left["logprobs"] = None  # they repeat the text
    return {**left, "delta": made} if "delta" in choice else left


def without_logprobs(answer: dict[str, Any], positions: Collection[str | int]) -> dict[str, Any]:
    """The answer without the log-probabilities of the choices at these positions."""
    choices = [
        {**choice, "logprobs": None} if position in positions and choice.get("logprobs") else choice
        for position, choice in enumerate(answer["choices"])
    ]
    return {**answer, "choices": choices}


class _Pieces(list[str]):
    """A text in pieces, so that its length costs nothing before they are joined."""


def _add(held: dict[str, Any], piece: Mapping[str, Any]) -> None:
    for key, value in piece.items():
        if isinstance(value, dict):
            if not isinstance(held.get(key), dict):
                held[key] = {}
            _add(held[key], value)
        elif isinstance(value, str) and key in _TEXTS:
            if not isinstance(held.get(key), _Pieces):
                held[key] = _Pieces()
            held[key].append(value)
        elif value is not None or key not in held:
            held[key] = value


def _put_together(held: Any) -> Any:
    if isinstance(held, _Pieces):
        return "".join(held)
    return {key: _put_together(value) for key, value in held.items()} if isinstance(held, dict) else held


def _event_of(payload: Mapping[str, Any]) -> bytes:
    return b"data: " + dumps(payload)
