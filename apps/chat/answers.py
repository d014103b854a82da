"""Answers that are kept for a repeat of their request: for a while in this process, or for a day in the database."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson
from django.conf import settings

from apps.chat import screening
from apps.chat.outlet import DONE, Head
from apps.chat.repeats import ANSWER_BYTES
from apps.common import encryption
from apps.common.encryption import CannotDecrypt
from apps.rules.rulebook import Verdict

THREAD_ABOVE = 2**16  # bytes; fewer are sealed sooner than a thread would have been found


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """A whole answer as it went out: that of `call`, the events of a stream up to the last one, or a plain body."""

    call: str
    is_stream: bool
    headers: dict[str, str]
    content: bytes

    async def blocks(self) -> AsyncIterator[bytes]:
        yield self.content


def answer_of(head: Head, verdict: Verdict, *, call: str, events: bytes | None) -> StoredAnswer | None:
    """What can be kept of an answer that ended well: nothing of one that is too long. `events` are a stream's."""
    is_stream = head.body is None
    content = head.body if not is_stream else events + DONE if events is not None else None
    if content is None or len(content) > ANSWER_BYTES:
        return None
    return StoredAnswer(call=call, is_stream=is_stream, headers=headers_of(head, verdict), content=content)


def headers_of(head: Head, verdict: Verdict) -> dict[str, str]:
    """What the student learns beside the answer: of it, and not of the moment."""
    target = head.opened.candidate.target
    headers = screening.headers(verdict)
    headers["x-gateway-provider"] = target.provider
    headers["x-gateway-model"] = target.upstream_model
    headers["x-gateway-attempts"] = str(head.opened.attempts)
    if head.reservation.turned is not None:
        headers["x-quota-fallback"] = head.reservation.turned.model
    if head.reservation.is_capped:
        headers["x-quota-capped-output-tokens"] = str(head.reservation.output)
    return headers


async def seal(answer: StoredAnswer, *, claim: str) -> str:
    """The answer as it rests in the database: compressed, encrypted, and bound to its claim."""
    if len(answer.content) > THREAD_ABOVE:
        return await asyncio.to_thread(_seal, answer, claim)
    return _seal(answer, claim)


async def unseal(stored: str, *, claim: str) -> StoredAnswer | None:
    """The answer, or None if it cannot be read any more."""
    try:
        return await asyncio.to_thread(_unseal, stored, claim)
    except CannotDecrypt:
        return None


def _seal(answer: StoredAnswer, claim: str) -> str:
    head = orjson.dumps({"call": answer.call, "is_stream": answer.is_stream, "headers": answer.headers})
    packed = zlib.compress(head + b"\n" + answer.content, 1)
    return encryption.seal(packed, place=_place(claim), keys=settings.SECRET_KEYS)


def _unseal(stored: str, claim: str) -> StoredAnswer:
    packed = encryption.unseal(stored, place=_place(claim), keys=settings.SECRET_KEYS)
    head, _, content = zlib.decompress(packed).partition(b"\n")
    return StoredAnswer(**orjson.loads(head), content=content)


def _place(claim: str) -> str:
    return f"chat_repeat:answer:{claim}"
