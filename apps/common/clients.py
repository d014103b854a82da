"""The relay client: fetches answers from providers.

It is our own, on the parser that the web server uses: relaying is most of what a web process does, and the fastest
library measured costs three times as much. Callers use only the names in `__all__`.
"""

from collections.abc import AsyncIterable, Mapping
from functools import lru_cache
from urllib.parse import quote, urlsplit

from apps.common.heads import Pairs, head, raw_head
from apps.common.pools import Origin, Pool, RelayLimits, Share
from apps.common.responses import (
    ConnectFailed,
    ConnectionBroken,
    NonFree,
    NothingCame,
    RelayError,
    RelayResponse,
)
from apps.common.sending import BodyBroken, Sending

__all__ = [
    "BodyBroken",
    "ConnectFailed",
    "ConnectionBroken",
    "NonFree",
    "NothingCame",
    "Pairs",
    "RelayClient",
    "RelayError",
    "RelayLimits",
    "RelayResponse",
    "Share",
]

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # RFC 9110, 9.2.2
_PORTS = {"http": 80, "https": 443}
_NOT_QUOTED = "%/:?@!$&'()*+,;=~"  # in a path or query, besides letters and digits


class RelayClient:
    """Pooled connections to providers, without cookies, redirects, proxies from the environment or decompression.

    Create it inside the event loop.
    """

    def __init__(self, limits: RelayLimits) -> None:
        self._pool = Pool(limits)
        self._everything = Share("anything", limits.max_connections)

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | AsyncIterable[bytes],
        headers: Mapping[str, str] | Pairs,
        patience: float,
        allow_private: bool,
        target: bytes | None = None,
        length: int | None = None,
        share: Share | None = None,
        may_repeat: bool = False,
    ) -> RelayResponse:
        """Send a request and wait for the response headers, as long as the caller does. Raises RelayError.

        `patience` is how long it may take to get a connection of our own, which a caller makes shorter than its limit,
        so that waiting for it is never taken for the server's fault.

        Headers may be raw pairs, which go out in their order. A raw `target` replaces the path of the URL and goes out
        as it is. A body that comes in pieces has the announced `length`, or goes out in chunks if that is None; what it
        raises comes out of here or of the response.

        Skips a pooled connection that the server has closed. If the server closes it just as the request arrives, the
        request is sent again, once and over a new one, provided that its method is idempotent or it `may_repeat`, and
        that its body did not come in pieces.
        """
        origin, authority, path = _target(url, allow_private)
        share, is_head = share or self._everything, method == "HEAD"
        if isinstance(body, bytes):
            length = len(body)
        elif not isinstance(headers, list):
            raise TypeError("A body that comes in pieces goes out with raw headers.")
        if isinstance(headers, list):
            target = path.encode() if target is None else target
            first = raw_head(method, target, headers, authority=authority, length=length)
        else:
            first = head(method, path, {"host": authority, **headers, "content-length": str(length)})
        connection = await self._pool.take(origin, share, patience=patience)
        if not isinstance(body, bytes):
            return await connection.ask_in_pieces(first, Sending(body, length), is_head=is_head)
        try:
            return await connection.ask(first, body, is_head=is_head)
        except NothingCame:
            if not (connection.was_used and (may_repeat or method in _IDEMPOTENT)):
                raise
        connection = await self._pool.take(origin, share, patience=patience, is_new=True)
        return await connection.ask(first, body, is_head=is_head)

    def retire(self) -> None:
        """Close the idle connections, and the others as soon as nothing comes over them. It still serves who has it."""
        self._pool.retire()

    async def close(self) -> None:
        """Close all connections. Reading on from one raises ConnectionBroken."""
        await self._pool.close()

    def waiting(self) -> int:
        """The number of requests that wait for a connection."""
        return self._pool.waiting

    def open_connections(self) -> int:
        """The number of connections in use."""
        return self._pool.in_use


@lru_cache(maxsize=1024)
def _target(url: str, allow_private: bool) -> tuple[Origin, str, str]:
    """Origin, Host header and path of a URL. Raises ConnectFailed."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = host if host.isascii() else host.encode("idna").decode()
    except ValueError as error:
        raise ConnectFailed(repr(error)) from error
    if not host or parts.scheme not in _PORTS:
        raise ConnectFailed("The URL must be that of a web server.")
    usual = _PORTS[parts.scheme]
    authority = f"[{host}]" if ":" in host else host.rstrip(".")
    return (
        Origin(parts.scheme == "https", host, port or usual, allow_private),
        authority if port in (None, usual) else f"{authority}:{port}",
        quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_NOT_QUOTED),
    )
