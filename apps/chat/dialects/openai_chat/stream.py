"""The events of a streamed chat completion, taken apart for the guard and put together again. Pure."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson

from apps.chat.dialects.fields import BESIDE
from apps.chat.dialects.openai_chat.choices import index_of
from apps.chat.dialects.openai_chat.fields import LABELS
from apps.chat.dialects.protocol import Delta, Part
from apps.common.sse import data_of

CHANNELS = ("content", "refusal", "reasoning_content", "reasoning")
_CALLS = ("tool_calls", "function_call")
_OLD_CALL = -1  # the key of a call of the older kind, of which there is one
_TEXTS = ("name", "arguments", "input")  # of a call, which come bit by bit
_ENDS = re.compile(rb'"finish_reason"\s*:\s*"')
_FRAME = ("id", "object", "created", "model")
_NOT_BESIDE: tuple[str, ...] = ("choices", "usage")
_NOTHING_NEW = LABELS | {"created"}


class StreamEditor:
    """Events of our own look like the last one that came."""

    channels: Sequence[str] = CHANNELS

    def __init__(self) -> None:
        self._frame: dict[str, Any] = {}

    def may_end(self, block: bytes) -> bool:
        return _ENDS.search(block) is not None

    def taken(self, event: bytes) -> "ChatEvent | None":
        data = data_of(event)
        if data is None:
            return None
        payload = orjson.loads(data)
        self._frame = {key: payload[key] for key in _FRAME if key in payload}
        return ChatEvent(payload)

    def text_event(self, choice: int, texts: Mapping[str, str]) -> bytes:
        return self._event(choice, texts)

    def whole(self, choice: int, key: int, pieces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """A tool call as it would have come in one piece: texts go on, all else is as it was said last."""
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
    """An event. One without choices, such as the usage, comes behind all text."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self._payload = payload
        self._choices: Sequence[dict[str, Any]] = payload.get("choices") or ()
        beside = {key: value for key, value in payload.items() if key not in _NOT_BESIDE}
        self.parts: Sequence[Part] = [Part(choice=BESIDE, rest=beside), *map(_part, self._choices)]
        self.waits = not self._choices

    def rebuilt(self, parts: Sequence[Part]) -> bytes | None:
        beside, *others = parts
        if not self._choices:
            kept = {key: self._payload[key] for key in _NOT_BESIDE if key in self._payload}
            return _event_of({**beside.rest, **kept})
        pairs = zip(self._choices, others, strict=True)
        choices = [left for choice, part in pairs if (left := _rebuilt(choice, part)) is not None]
        if choices or self._payload.get("usage") or not beside.rest.keys() <= _NOTHING_NEW:
            return _event_of({**self._payload, **beside.rest, "choices": choices})
        return None


def _part(choice: dict[str, Any]) -> Part:
    index, delta = index_of(choice), choice.get("delta") or {}
    texts = {key: text for key in CHANNELS if isinstance(text := delta.get(key), str) and text}
    return Part(
        choice=index,
        deltas=[Delta(index, key, text) for key, text in texts.items()],
        pieces=_pieces(delta),
        rest={
            "delta": {key: value for key, value in delta.items() if _is_rest(key, value)},
            "choice": {key: value for key, value in choice.items() if key not in ("index", "delta", "logprobs")},
        },
        is_end=bool(choice.get("finish_reason")),
    )


def _is_rest(key: str, value: Any) -> bool:
    """Also what is no text in the place of one."""
    return not isinstance(value, str | None) if key in CHANNELS else key not in _CALLS


def _pieces(delta: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    pieces: list[tuple[int, Mapping[str, Any]]] = []
    for call in delta.get("tool_calls") or ():
        number = call.get("index")
        pieces.append((number if isinstance(number, int) else 0, call))
    if isinstance(function := delta.get("function_call"), dict):
        pieces.append((_OLD_CALL, function))
    return pieces


def _rebuilt(choice: dict[str, Any], part: Part) -> dict[str, Any] | None:
    """What of a choice goes out with its event; None if all that it brought is held."""
    delta = choice.get("delta") or {}
    released = {one.channel: one.text for one in part.deltas}
    made = dict(part.rest["delta"])
    for key in CHANNELS:
        if key in released:
            made[key] = released[key]
        elif key in delta and not delta[key]:
            made.setdefault(key, delta[key])
    brought = any(key in delta for key in _CALLS) or any(
        isinstance(delta.get(key), str) and delta[key] for key in CHANNELS
    )
    if brought and not made and not part.is_end:
        return None
    left = {key: value for key, value in choice.items() if key not in ("delta", "logprobs")} | part.rest["choice"]
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
    """A text that comes piece by piece, so that its length costs nothing until it is put together."""


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
    return b"data: " + orjson.dumps(payload)
