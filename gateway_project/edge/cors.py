"""CORS for the student API: only pages of the configured origins may call it, by default none. Pure.

An origin is compared as a whole with a list. A preflight cannot carry a key, so it is answered before authentication.
Cookies are never allowed, so pages may read all of our headers. That is little enough to need no dependency.
"""

from collections.abc import Iterable

Headers = Iterable[tuple[bytes, bytes]]

_MAY_SEND = frozenset({"authorization", "content-type", "idempotency-key", "x-api-key", "traceparent", "tracestate"})
_MAY_SEND_LIKE = "x-stainless-"  # in these the official clients describe themselves
_VARY = "Origin"


class Cors:
    def __init__(self, origins: Iterable[str]) -> None:
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
            names = asked.get(b"access-control-request-headers", b"").decode("latin-1").lower().split(",")
            answer["access-control-allow-methods"] = "GET, POST"
            answer["access-control-allow-headers"] = ", ".join(
                name.strip() for name in names if _may_send(name.strip())
            )
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


def _may_send(name: str) -> bool:
    return name in _MAY_SEND or name.startswith(_MAY_SEND_LIKE)
