"""Retries across processes: Redis passes on the answer of an attempt that another process was making.

    the client of a call leaves    its process sets `open` under the digest of the request, for as long as it goes on
    the retry, in another process  finds it, sets `wanted` beside it, and waits
    the call's process             sees that, lets the provider go on, and replaces `open` with the sealed answer

A call whose client stays pays nothing for this. If anything fails, such as Redis, the retry is an ordinary call.
"""

import asyncio
import hmac
import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings

from apps.chat.idempotency import stored_answers
from apps.chat.idempotency.recent import SECONDS, Running
from apps.chat.idempotency.stored_answers import StoredAnswer
from apps.common.redis_client import AWAY, close_client, open_client

logger = logging.getLogger(__name__)

PATIENCE = 0.5  # seconds for a command, unless REDIS_TIMEOUT is longer; no other request waits for it
LOOK_SECONDS = 0.1
LEASE_SECONDS = 3  # seconds until keys of a process that died expire
MOST_WAITING = 100
OPEN = b"open"


class AnswersInRedis:
    """Offers this process's answers to others, and finds theirs. For one event loop."""

    def __init__(self, url: str) -> None:
        self._redis = open_client(url, patience=max(PATIENCE, settings.REDIS_TIMEOUT), again=1)
        self._offers: set[asyncio.Task[None]] = set()
        self._waiting = 0

    def offer(self, digest: bytes, answer: Running, finished: Callable[[], StoredAnswer | None]) -> None:
        """The client of the answer has left. Its retry may reach another process."""
        task = asyncio.get_running_loop().create_task(self._offer(_name(digest), answer, finished))
        self._offers.add(task)
        task.add_done_callback(self._offers.discard)

    async def find(self, digest: bytes, *, on_wait: Callable[[], None]) -> StoredAnswer | None:
        """The answer to an earlier attempt of the same request. Calls `on_wait` before it waits for one in progress."""
        name = _name(digest)
        try:
            stored: Any = await self._redis.get(name)
            if stored == OPEN and self._waiting < MOST_WAITING:
                on_wait()
                stored = await self._wait(name)
        except AWAY as error:
            logger.debug("Redis is away, so that a repeated request is carried out again: %r", error)
            return None
        return await stored_answers.unseal(stored.decode(), claim=name) if stored not in (None, OPEN) else None

    async def close(self) -> None:
        """Wait for the offers, which end by themselves once no pump is left, and disconnect."""
        await asyncio.gather(*self._offers, return_exceptions=True)
        await close_client(self._redis)

    async def _wait(self, name: str) -> bytes | None:
        self._waiting += 1
        try:
            while True:
                async with self._redis.pipeline(transaction=False) as commands:
                    commands.set(_wanted(name), "", ex=LEASE_SECONDS)
                    commands.get(name)
                    _, stored = await commands.execute()
                if stored != OPEN:
                    return bytes(stored) if stored else None
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._waiting -= 1

    async def _offer(self, name: str, running: Running, finished: Callable[[], StoredAnswer | None]) -> None:
        was_wanted = False
        try:
            while not running.task.done():
                async with self._redis.pipeline(transaction=False) as commands:
                    commands.set(name, OPEN, ex=LEASE_SECONDS)
                    commands.exists(_wanted(name))
                    _, is_wanted = await commands.execute()
                if is_wanted:
                    running.go_on()
                elif was_wanted:
                    running.stop_if_unread()
                was_wanted = bool(is_wanted)
                await asyncio.wait([running.task], timeout=LOOK_SECONDS)
            answer = finished()
            if answer is None:
                await self._redis.delete(name)
            else:
                await self._redis.set(name, await stored_answers.seal(answer, claim=name), ex=int(SECONDS))
        except AWAY as error:
            logger.debug("Redis is away, so that no other process can give the answer of %s: %r", running.id, error)


def _name(digest: bytes) -> str:
    """With the pepper, so that text that a rule removes cannot be guessed from the digest."""
    return f"stoa:retry:{hmac.digest(settings.KEY_PEPPER.encode(), digest, 'sha256').hex()}"


def _wanted(name: str) -> str:
    return f"{name}:wanted"
