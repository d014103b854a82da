"""httpx behind the address guard, for requests that do not carry a student's call."""

import asyncio
import contextlib
import socket
import threading
from typing import Any

import httpx

from apps.common.addresses import ForbiddenAddress, is_public
from apps.common.pools import TLS


class GuardedTransport(httpx.AsyncBaseTransport):
    """Resolves a name once, checks its addresses, and connects to a checked one.

    The Host header and the certificate's name stay those of the URL. Raises what httpx raises, `socket.gaierror` for a
    name that does not resolve in time, and ForbiddenAddress.
    """

    def __init__(self, *, allow_private: bool, lookup_seconds: float) -> None:
        self._allow_private, self._lookup_seconds = allow_private, lookup_seconds
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
        return await allowed_addresses(name, port, allow_private=self._allow_private, seconds=self._lookup_seconds)


async def allowed_addresses(name: str, port: int | None, *, allow_private: bool, seconds: float) -> list[str]:
    """What a name resolves to and may be connected to. Sends nothing to the server itself.

    Raises `socket.gaierror` for a name that does not resolve in time, and ForbiddenAddress if nothing is left.
    """
    try:
        async with asyncio.timeout(seconds):
            found = [str(info[4][0]) for info in await _look_up(name, port)]
    except TimeoutError as error:
        raise socket.gaierror(socket.EAI_AGAIN, "The name server did not answer in time.") from error
    allowed = [address for address in found if allow_private or is_public(address)]
    if not allowed:
        raise ForbiddenAddress("This address is not on the public internet.")
    return allowed


def guarded_client(*, allow_private: bool, seconds: float) -> httpx.AsyncClient:
    """A client without redirects and without proxies from the environment. Callers bound the whole time and the body.

    Connecting has a limit of its own below `seconds`, since httpcore leaves a handshake that is cancelled open. So has
    looking up the name.
    """
    return httpx.AsyncClient(
        transport=GuardedTransport(allow_private=allow_private, lookup_seconds=0.4 * seconds),
        timeout=httpx.Timeout(seconds, connect=0.4 * seconds),  # each for the connection and for TLS
        follow_redirects=False,
        trust_env=False,
    )


async def _look_up(name: str, port: int | None) -> list[tuple[Any, ...]]:
    """In a thread of its own: `asyncio.run` waits for those of its loop, however long a lookup takes."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[tuple[Any, ...]]] = loop.create_future()

    def look_up() -> None:
        infos: list[tuple[Any, ...]] = []
        failure: Exception | None = None
        try:
            infos = [*socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)]
        except Exception as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_tell, found, infos, failure)

    threading.Thread(target=look_up, name="lookup", daemon=True).start()
    return await found


def _tell(found: "asyncio.Future[Any]", infos: list[tuple[Any, ...]], failure: Exception | None) -> None:
    if found.done():
        return
    if failure is None:
        found.set_result(infos)
    else:
        found.set_exception(failure)


def _pinned(request: httpx.Request, name: str, address: str) -> httpx.Request:
    """The same request to this very address."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": name.rstrip(".")},
    )
