"""httpx behind the address guard, for requests that do not carry a student's call."""

import asyncio
import socket

import httpx

from apps.common.addresses import ForbiddenAddress, is_public
from apps.common.pools import TLS


class GuardedTransport(httpx.AsyncBaseTransport):
    """Resolves a name once, checks its addresses, and connects to a checked one.

    The Host header and the certificate's name stay those of the URL. Raises what httpx raises, `socket.gaierror` for a
    name that does not resolve, and ForbiddenAddress.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._transport = httpx.AsyncHTTPTransport(verify=TLS, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        name = request.url.raw_host.decode("ascii")
        *others, last = await self._addresses(name, request.url.port)
        for address in others:
            try:
                return await self._transport.handle_async_request(_pinned(request, name, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # nothing was sent
        return await self._transport.handle_async_request(_pinned(request, name, last))

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _addresses(self, name: str, port: int | None) -> list[str]:
        infos = await asyncio.get_running_loop().getaddrinfo(
            name, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        found = [str(info[4][0]) for info in infos]
        allowed = [address for address in found if self._allow_private or is_public(address)]
        if not allowed:
            raise ForbiddenAddress("This address is not on the public internet.")
        return allowed


def guarded_client(*, allow_private: bool, seconds: float) -> httpx.AsyncClient:
    """A client without redirects and without proxies from the environment. Callers bound the whole time and the body.

    Connecting has a limit of its own below `seconds`, since httpcore leaves a handshake that is cancelled open.
    """
    return httpx.AsyncClient(
        transport=GuardedTransport(allow_private=allow_private),
        timeout=httpx.Timeout(seconds, connect=0.4 * seconds),  # each for the connection and for TLS
        follow_redirects=False,
        trust_env=False,
    )


def _pinned(request: httpx.Request, name: str, address: str) -> httpx.Request:
    """The same request to this very address."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": name.rstrip(".")},
    )
