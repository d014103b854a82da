"""Reads the usage that providers report, in every spelling in use. Pure.

A report says how many tokens were read, how many of them came from a cache, and how many were written. OpenAI counts
what came from a cache and the model's hidden thoughts within the other two; others count them beside.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard

from apps.quotas.weights import Tokens

_MAX_COUNT = 2**40
_DETAILS = ("prompt_tokens_details", "input_tokens_details")  # OpenAI's two APIs
_READ_FROM_CACHE, _WRITTEN_TO_CACHE = "cache_read_input_tokens", "cache_creation_input_tokens"  # Anthropic
_CACHED = ("prompt_cache_hit_tokens", "cached_tokens", _READ_FROM_CACHE)  # DeepSeek, Moonshot


def usage_beside(choice: Mapping[str, Any], payload: Mapping[str, Any]) -> Any:
    """A report in another place than `usage`: in the choice (Moonshot) or in an envelope of its own (Groq)."""
    envelope = payload.get("x_groq")
    return choice.get("usage") or (envelope.get("usage") if isinstance(envelope, dict) else None)


def read_usage(usage: Any) -> Tokens | None:
    """The usage that a provider reports, or None if it does not consist of counts that can be."""
    if not isinstance(usage, dict):
        return None
    try:
        return _tokens(usage)
    except ValueError:
        return None


def _tokens(usage: Mapping[str, Any]) -> Tokens:
    """Raises ValueError if a count is missing or cannot be."""
    read, written = usage.get("prompt_tokens"), usage.get("completion_tokens")
    read = _count(usage.get("input_tokens") if read is None else read)
    written = usage.get("output_tokens") if written is None else written
    cached, total = _cached(usage), usage.get("total_tokens")
    if (_READ_FROM_CACHE in usage or _WRITTEN_TO_CACHE in usage) and _counts_cache_beside(usage, read):
        read += cached + _count(usage.get(_WRITTEN_TO_CACHE) or 0)
    if cached > read:
        raise ValueError("More came from the cache than was read.")
    written = _count(_count(total) - read if written is None else written)
    if _is_count(total):  # thoughts may be counted beside the output, but within the total: xAI, Gemini
        written = max(written, int(total) - read)
    return Tokens(input=read, cached_input=cached, output=_with_thoughts(written, usage))


def _with_thoughts(written: int, usage: Mapping[str, Any]) -> int:
    """The output with thoughts that cannot be a part of it, since they are more."""
    details = usage.get("completion_tokens_details")
    thoughts = details.get("reasoning_tokens") if isinstance(details, dict) else None
    return written + int(thoughts) if thoughts and _is_count(thoughts) and thoughts > written else written


def _cached(usage: Mapping[str, Any]) -> int:
    """The largest count, as some report a zero in the place that OpenAI has for it."""
    cached = 0
    for key in _DETAILS:
        if isinstance(details := usage.get(key), dict) and (count := details.get("cached_tokens")):
            cached = max(cached, _count(count))
    for key in _CACHED:
        if count := usage.get(key):
            cached = max(cached, _count(count))
    return cached


def _counts_cache_beside(usage: Mapping[str, Any], read: int) -> bool:
    """Anthropic does. Gateways that give its counts OpenAI's names mostly do not."""
    from_cache, to_cache = usage.get(_READ_FROM_CACHE), usage.get(_WRITTEN_TO_CACHE)
    if from_cache is None and to_cache is None:
        return False
    return usage.get("prompt_tokens") is None or _count(from_cache or 0) > read


def _count(value: Any) -> int:
    """A count. Some write it as 1000.0. Raises ValueError."""
    if type(value) is int and 0 <= value <= _MAX_COUNT:
        return value
    if not _is_count(value):
        raise ValueError("A count of tokens is not one.")
    return int(value)


def _is_count(value: Any) -> TypeGuard[int | float]:
    return type(value) in (int, float) and 0 <= value <= _MAX_COUNT and value == int(value)
