"""Which web pages may call the student API: those of the listed origins, and by default none. Pure.

Written here because it is little: an origin is compared as a whole with a list, and a preflight, which cannot carry a
key, is answered before one is asked for. Cookies are never allowed along, so pages may see every header of ours.
"""

from collections.abc import Iterable

Headers = Iterable[tuple[bytes, bytes]]

_MAY_SEND = frozenset({"authorization", "content-type", "idempotency-key", "x-api-key", "traceparent", "tracestate"})
_MAY_SEND_LIKE = "x-stainless-"  # what the official clients tell about themselves
_VARY = "Origin"


class Cors:
    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def preflight(self, method: str, headers: Headers) -> dict[str, str] | None:
        """The headers that answer a browser which asks whether it may send something; None if that is not asked."""
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
        """What goes out with every response."""
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
