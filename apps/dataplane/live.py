"""The live requests of an app in this process: ended when the process stops, or when their caller loses access."""

import asyncio
import time
from collections.abc import Iterator
from typing import Generic, Literal, Protocol, TypeVar

from apps.accounts.principals import Principal

END_SECONDS = 10.0  # for a stopped request to say so to its client, and to tidy up

Ending = Literal["shutting_down", "access_ended"]


class LiveRequest(Protocol):
    """What can be ended early. A caller without a key has no principal."""

    task: asyncio.Task[None]
    admitted: object  # the revision of the accounts at which the principal was admitted

    @property
    def principal(self) -> Principal | None: ...

    def stop(self, reason: Ending) -> None: ...


T = TypeVar("T", bound=LiveRequest)


class LiveRequests(Generic[T]):
    """A set of requests, each from its start to the end of its task."""

    def __init__(self) -> None:
        self._requests: set[T] = set()

    def __len__(self) -> int:
        return len(self._requests)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._requests))

    def add(self, request: T) -> None:
        self._requests.add(request)

    def discard(self, request: T) -> None:
        self._requests.discard(request)

    async def drain(self, seconds: float) -> None:
        """Let live requests end for `seconds`, then end the rest. All are settled afterwards."""
        await self._wait(seconds)
        for request in self:
            request.stop("shutting_down")
        await self._wait(END_SECONDS)

    async def _wait(self, seconds: float) -> None:
        """Also waits for requests that begin meanwhile, of calls that were admitted before."""
        until = time.monotonic() + seconds
        while self._requests and (left := until - time.monotonic()) > 0:
            await asyncio.wait({request.task for request in self}, timeout=left)
