"""Recognises errors in answers, in every spelling in use, although the provider's status promised an answer. Pure."""

from collections.abc import Mapping
from typing import Any

FAILED = "error"  # a finish reason that OpenRouter has, and the object or type of an error elsewhere
_IN_PLACE_OF_CHOICES = ("detail", "message", "errors", "error_code", "error_message", "error_msg")
_WELL = (0, "0", 200, "200")


def is_error(payload: Mapping[str, Any]) -> bool:
    """Whether an event or a plain answer reports an error: beside choices, in one of them, or in their place."""
    if payload.get("error"):
        return True
    if choices := payload.get("choices"):
        return any(choice.get("error") or choice.get("finish_reason") == FAILED for choice in choices)
    return _stands_in_place_of_choices(payload)


def _stands_in_place_of_choices(payload: Mapping[str, Any]) -> bool:
    if FAILED in (payload.get("object"), payload.get("type")) or _failed_below(payload.get("base_resp")):
        return True
    if payload.get("code") in _WELL:
        return False
    return any(payload.get(key) for key in _IN_PLACE_OF_CHOICES)


def _failed_below(response: Any) -> bool:
    """MiniMax has its own status within each answer."""
    return isinstance(response, dict) and response.get("status_code") not in (None, *_WELL)
