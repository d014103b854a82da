"""The relay client: fetches answers from providers.

It is our own, on the parser that the web server uses: relaying is most of what a web process does, and the fastest
library measured costs three times as much. Callers use only the names in `__all__`.
"""

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, urlsplit

from apps.common.connections import (
    ConnectFailed,
    ConnectionBroken,
    NonFree,
    NothingCame,
    RelayError,
    RelayResponse,
)
from apps.common.pools import Origin, Pool, RelayLimits, Share

__all__ = [
    "ConnectFailed",
    "ConnectionBroken",
    "NonFree",
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
        body: bytes,
        headers: Mapping[str, str],
        patience: float,
        allow_private: bool,
        share: Share | None = None,
        may_repeat: bool = False,
    ) -> RelayResponse:
        """Send a request and wait for the response headers, as long as the caller does. Raises RelayError.

        `patience` is how long it may take to get a connection of our own, which a caller makes shorter than its limit,
        so that waiting for it is never taken for the server's fault.

        Skips a pooled connection that the server has closed. If the server closes it just as the request arrives, the
        request is sent again, once and over a new one, provided that its method is idempotent or it `may_repeat`.
        """
        origin, authority, path = _target(url, allow_private)
        head = _head(method, path, {"host": authority, **headers, "content-length": str(len(body))})
        share, is_head = share or self._everything, method == "HEAD"
        connection = await self._pool.take(origin, share, patience=patience)
        try:
            return await connection.ask(head, body, is_head=is_head)
        except NothingCame:
            if not (connection.was_used and (may_repeat or method in _IDEMPOTENT)):
                raise
        connection = await self._pool.take(origin, share, patience=patience, is_new=True)
        return await connection.ask(head, body, is_head=is_head)

    async def close(self) -> None:
        """Close all connections. Reading on from one raises ConnectionBroken."""
        await self._pool.close()

    def open_connections(self) -> int:
        """The number of connections in use, for the metrics."""
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


def _head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *[f"{name}: {value}" for name, value in headers.items()]]
    head = "\r\n".join(lines) + "\r\n\r\n"
    if not head.count("\r") == head.count("\n") == len(lines) + 1 or "\0" in head:
        raise ValueError("A header contains a line break.")
    return head.encode()
