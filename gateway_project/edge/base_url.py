"""Recognises requests of clients whose base URL is nearly right. Pure.

The base URL ends in /v1, and the client adds the rest. The commonest mistakes leave /v1 out, write it twice, or name
the whole address of the endpoint.
"""

import re
from functools import lru_cache

_SLASHES = re.compile("/{2,}")
_ENDPOINTS = re.compile(
    r"/(?:chat/completions|completions|responses|embeddings|messages|models(?:/.+)?|usage)$",
    re.IGNORECASE | re.DOTALL,  # so that what comes behind /models is read once, whatever it is
)
_OTHERS = re.compile(r"/(?:admin|static|docs|health|metrics|api/staff)(?:/|$)")


def tidied(path: str) -> str:
    """The path with slashes that are doubled or at the end left out."""
    return _SLASHES.sub("/", path).rstrip("/") or "/"


@lru_cache(maxsize=512)
def is_for_students(path: str) -> bool:
    """Whether a path belongs to the student API, or was meant to."""
    path = tidied(path)
    if path == "/v1" or path.startswith("/v1/"):
        return True
    return _ENDPOINTS.search(path) is not None and _OTHERS.match(path) is None


def is_wrong(path: str) -> bool:
    """Whether a path that leads nowhere has the end of an address of the API behind another base URL than /v1."""
    found = _ENDPOINTS.search(tidied(path))
    return found is not None and tidied(path)[: found.start()] != "/v1"
