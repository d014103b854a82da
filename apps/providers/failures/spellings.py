"""The forms in which providers write their errors. Pure.

OpenAI, Azure, Gemini, OpenRouter   {"error": {"message", "type", "param", "code", ...}}, Gemini also in a list
vLLM, FastChat, Mistral             {"object": "error", "message", "type", "code"}
Anthropic                           {"type": "error", "error": {"type", "message"}}
FastAPI, and so Mistral and others  {"detail": "..."} or {"detail": [{"loc": [...], "type", "msg"}]}
xAI, Ollama                         {"error": "...", "code": "..."}
Bedrock, DashScope, NVIDIA          {"message", "code"} or {"title", "status", "detail"}
Cloudflare                          {"errors": [{"code", "message"}]}
MiniMax                             {"base_resp": {"status_code", "status_msg"}}
Baidu                               {"error_code", "error_msg"}
OpenRouter, in a stream             {"choices": [{"error": {...}, "finish_reason": "error"}]}
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

_MOST_WORDS = 4000
_IDENTIFIER = re.compile(r"[A-Za-z_][\w.\[\]]{0,59}")
_CODES = ("code", "reason", "status_code", "error_code")
_IN_PLACE_OF_CHOICES = ("message", "detail", "title", "errors", "base_resp", "error_code", "error_message", "error_msg")
_WORDS = ("message", "msg", "detail", "title", "status_msg", "error_message", "error_msg", "raw", "error")
_WELL = (0, "0", 200, "200")  # codes that some write below every answer


@dataclass(frozen=True, slots=True)
class Complaint:
    """What an error says. `words` serve to recognise it and must never be shown or logged."""

    code: str = ""
    names: tuple[str, ...] = ()  # of the error, the code first
    param: str = ""
    status: int = 0  # that it gives for itself
    words: str = field(default="", repr=False)
    hints: Mapping[str, str] = field(default_factory=dict, repr=False)  # headers inside the body


def is_error(payload: Any) -> bool:
    """Whether this document or event is an error instead of an answer."""
    return _error_in(payload) is not None


def said_in(payload: Any) -> Complaint:
    """What an error says, in whichever form; nothing if it has none of them."""
    error = _error_in(payload)
    return Complaint() if error is None else _read(error, _outer(payload))


def _outer(payload: Any) -> Mapping[str, Any]:
    payload = payload[0] if isinstance(payload, list) and payload else payload
    return payload if isinstance(payload, Mapping) else {}


def _error_in(payload: Any) -> Any:
    """The part of a payload that is the error; None if there is none."""
    outer = payload if isinstance(payload, dict) else _outer(payload)
    if error := outer.get("error"):
        return error
    if outer.get("object") == "error" or outer.get("type") == "error":
        return outer
    if outer.get("choices"):
        return _error_of_a_choice(outer["choices"])
    base = outer.get("base_resp")
    is_well = outer.get("code") in _WELL or (isinstance(base, Mapping) and base.get("status_code") in (None, *_WELL))
    return outer if not is_well and any(outer.get(name) for name in _IN_PLACE_OF_CHOICES) else None


def _error_of_a_choice(choices: Any) -> Any:
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and (choice.get("error") or choice.get("finish_reason") == "error"):
            return choice.get("error") or choice
    return None


def _read(error: Any, outer: Mapping[str, Any]) -> Complaint:
    if not isinstance(error, Mapping):
        error = {"message": error}
    parts = [error, *_further(error), *([outer] if outer is not error else [])]
    codes = [*filter(None, (identifier(part.get(name)) for part in parts for name in _CODES)), *_moderated(error)]
    kinds = filter(None, (identifier(part.get(name)) for part in parts for name in ("type", "status")))
    return Complaint(
        code=next(iter(codes), ""),
        names=tuple(dict.fromkeys([*codes, *kinds])),
        param=next(filter(None, map(_param, parts)), ""),
        status=next(filter(None, (_status(part.get(name)) for part in parts for name in (*_CODES, "status"))), 0),
        words=" ".join(_sentences(parts))[:_MOST_WORDS],
        hints=_hints(error),
    )


def _further(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The parts of an error that say more about it."""
    found: list[Any] = [error.get("innererror"), error.get("metadata"), error.get("base_resp")]
    for name in ("detail", "details", "errors"):
        found += error[name] if isinstance(error.get(name), list) else [error.get(name)]
    metadata = error.get("metadata")
    if isinstance(metadata, Mapping) and isinstance(raw := metadata.get("raw"), str):  # an error within an error
        inner = _loads(raw)
        found += [inner.get("error", inner) if isinstance(inner, Mapping) else None]
    return [part for part in found if isinstance(part, Mapping)]


def _moderated(error: Mapping[str, Any]) -> list[str]:
    """OpenRouter says with a 403 and the words in question that they were refused."""
    metadata = error.get("metadata")
    return ["content_filter"] if isinstance(metadata, Mapping) and "flagged_input" in metadata else []


def _sentences(parts: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for part in parts:
        for name in _WORDS:
            if isinstance(value := part.get(name), str):
                yield value


def _param(part: Mapping[str, Any]) -> str:
    if isinstance(place := part.get("loc"), list):
        return identifier(".".join(str(step) for step in place if step != "body"))
    return identifier(part.get("param"))


def identifier(value: object) -> str:
    """The value if it is a name, or a number that is no HTTP status; never a sentence."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 600 <= value < 10**7 else ""
    if not isinstance(value, str):
        return ""
    is_number = value.isdecimal() and value.isascii() and 3 < len(value) < 8
    return value if is_number or _IDENTIFIER.fullmatch(value) else ""


def _status(value: object) -> int:
    if isinstance(value, str) and value.isdecimal() and len(value) == 3:
        value = int(value)
    return value if isinstance(value, int) and 400 <= value < 600 else 0


def _hints(error: Mapping[str, Any]) -> dict[str, str]:
    """When to ask again: Google's RetryInfo, and the headers that OpenRouter passes on."""
    hints: dict[str, str] = {}
    metadata = error.get("metadata")
    if isinstance(metadata, Mapping) and isinstance(headers := metadata.get("headers"), Mapping):
        hints = {str(name).lower(): str(value) for name, value in headers.items()}
    details = error.get("details")
    for part in details if isinstance(details, list) else ():
        if isinstance(part, Mapping) and isinstance(delay := part.get("retryDelay"), str):
            hints["retry-after"] = delay
    return hints


def _loads(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return None


def payload_of(body: bytes) -> Any:
    """The JSON of a body, with or without a byte order mark; None if it has none."""
    try:
        return orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        return None
