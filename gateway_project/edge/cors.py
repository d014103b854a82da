"""CORS for the student API and services: only pages of listed origins may call them, by default none. Pure.

An origin is compared as a whole with a list. A preflight cannot carry a key, so it is answered before authentication.
Cookies are never allowed, so pages may read all of our headers. That is little enough to need no dependency.

A page of a listed origin may send any header, except cookies and those by which proxies name the client. Every client
library brings headers of its own, and new ones with each release, while a page can do no more with them than a program.
"""

import re
from collections.abc import Iterable

Headers = Iterable[tuple[bytes, bytes]]

_TOKEN = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,100}")
_MAY_NOT_SEND = re.compile(r"cookie2?|forwarded|x-forwarded-.*|x-real-ip|x-client-ip|true-client-ip|cf-connecting-ip")
_MOST_NAMES = 100
_VARY = "Origin"


class Cors:
    def __init__(self, origins: Iterable[str], *, methods: str = "GET, HEAD, POST") -> None:
        self._methods = methods
        self._origins = frozenset(origin.encode() for origin in origins)

    def preflight(self, method: str, headers: Headers) -> dict[str, str] | None:
        """The headers that answer a preflight request. None for any other request, and if no origins are configured."""
        if method != "OPTIONS" or not self._origins:
            return None
        asked = dict(headers)
        if b"access-control-request-method" not in asked or b"origin" not in asked:
            return None
        answer = self.headers(headers)
        if "access-control-allow-origin" in answer:
            answer["access-control-allow-methods"] = self._methods
            answer["access-control-allow-headers"] = ", ".join(_allowed(headers))
            answer["access-control-max-age"] = "600"
        return answer

    def headers(self, headers: Headers) -> dict[str, str]:
        """The CORS headers of any response."""
        if not self._origins:
            return {}
        found = [value for name, value in headers if name == b"origin"]
        if len(found) != 1 or found[0] not in self._origins:
            return {"vary": _VARY}
        return {
            "vary": _VARY,
            "access-control-allow-origin": found[0].decode(),
            "access-control-expose-headers": "*",
        }


def _allowed(headers: Headers) -> list[str]:
    """The names that a preflight asks for and that a page may send, also over several headers."""
    asked = b",".join(value for name, value in headers if name == b"access-control-request-headers")
    names = [name.strip() for name in asked.decode("latin-1").lower().split(",", _MOST_NAMES)[:_MOST_NAMES]]
    return [name for name in names if _TOKEN.fullmatch(name) and not _MAY_NOT_SEND.fullmatch(name)]
