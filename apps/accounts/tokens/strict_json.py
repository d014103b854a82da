"""JSON objects in which every name comes once and every text can be stored. Pure.

Two readers of a name that comes twice may each take another value for the true one.
"""

import json
from typing import Any


class NotStrict(ValueError):
    """These bytes are no such object."""


def strictly(raw: bytes) -> dict[str, Any]:
    """The object. Raises NotStrict."""
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_without_duplicates, parse_constant=_refuse)
        text = json.dumps(value, ensure_ascii=False)
        text.encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise NotStrict("not JSON") from error
    if not isinstance(value, dict) or "\\u0000" in text:
        raise NotStrict("not an object, or with a null character")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotStrict("a name comes twice")
    return value


def _refuse(constant: str) -> None:
    raise NotStrict(f"{constant} is not JSON")
