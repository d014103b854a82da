"""Connects a socket to a host name, through the address guard."""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

from apps.common.addresses import any_socket, public_socket

Info = tuple[Any, ...]  # as getaddrinfo returns them
Attempt = asyncio.Task[socket.socket]

HEAD_START = 0.25  # seconds until the next address is tried as well (RFC 8305)
REMEMBERED = 30.0  # seconds


class Dialer:
    """Caches what names resolve to, for a while. The guard checks every address before it is connected to."""

    def __init__(self) -> None:
        self._lookups: dict[tuple[str, int], tuple[float, asyncio.Task[list[Info]]]] = {}

    async def dial(self, host: str, port: int, *, allow_private: bool) -> socket.socket:
        """A connected socket. Raises OSError, or ValueError for an invalid name."""
        infos = await self._resolve(host, port)
        return await _first(infos, any_socket if allow_private else public_socket)

    async def _resolve(self, host: str, port: int) -> list[Info]:
        """The addresses of a name, in turns. However many callers wait, there is one lookup."""
        now = time.monotonic()
        since, lookup = self._lookups.get((host, port), (0.0, None))
        if lookup is None or since < now - REMEMBERED or _has_failed(lookup):
            lookup = asyncio.create_task(_look_up(host, port))
            self._lookups[host, port] = now, lookup
        infos = await asyncio.shield(lookup)
        in_turn = infos[:]
        infos.append(infos.pop(0))
        return in_turn


async def _look_up(host: str, port: int) -> list[Info]:
    loop = asyncio.get_running_loop()
    return [*await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)]


def _has_failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


async def _first(infos: list[Info], factory: Callable[[Info], socket.socket]) -> socket.socket:
    """A socket to the address that answers first. Raises the first address's error if none answers."""
    attempts: list[Attempt] = []
    for info in infos:
        attempts.append(asyncio.create_task(_attempt(info, factory, before=attempts[:])))
    winner: Attempt | None = None
    pending = set(attempts)
    try:
        while pending and winner is None:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            winner = next((attempt for attempt in done if not _has_failed(attempt)), None)
        return (winner or attempts[0]).result()
    finally:
        for attempt in attempts:
            if not attempt.cancel() and not _has_failed(attempt) and attempt is not winner:
                attempt.result().close()


async def _attempt(info: Info, factory: Callable[[Info], socket.socket], *, before: list[Attempt]) -> socket.socket:
    if before:
        await asyncio.wait(before[-1:], timeout=HEAD_START * len(before))
    opened = factory(info)
    try:
        await asyncio.get_running_loop().sock_connect(opened, info[4])
    except BaseException:
        opened.close()
        raise
    return opened
