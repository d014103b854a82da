"""Answers that are kept for repeats of their request: for a while in this process, or for a day in the database."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson
from django.conf import settings

from apps.chat.idempotency.claims import ClaimEnd
from apps.chat.idempotency.keys import Claim
from apps.chat.models import Repeat
from apps.common import encryption
from apps.common.encryption import CannotDecrypt

THREAD_ABOVE = 2**16  # bytes; sealing fewer is faster than starting a thread


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """The whole answer of `call` as it was sent: the events of a stream up to the last one, or a plain body."""

    call: str
    is_stream: bool
    headers: dict[str, str]
    content: bytes

    async def blocks(self) -> AsyncIterator[bytes]:
        yield self.content


async def seal(answer: StoredAnswer, *, claim: str) -> str:
    """The answer as the database stores it: compressed, encrypted, and bound to its claim."""
    if len(answer.content) > THREAD_ABOVE:
        return await asyncio.to_thread(_seal, answer, claim)
    return _seal(answer, claim)


async def claim_end(claim: Claim, answer: StoredAnswer | None, *, call: str, is_kept: bool) -> ClaimEnd:
    """How a call's claim ends. Only complete answers are kept."""
    if not is_kept:
        return ClaimEnd(claim.id, call, None)
    return ClaimEnd(claim.id, call, await seal(answer, claim=claim.id) if answer is not None else "")


async def unseal(stored: str, *, claim: str) -> StoredAnswer | None:
    """The answer, or None if it can no longer be read."""
    try:
        return await asyncio.to_thread(_unseal, stored, claim)
    except CannotDecrypt:
        return None


def encrypt_anew(row: Repeat) -> bool:
    """Encrypt a kept answer with the newest key. False if it is already. Raises CannotDecrypt."""
    anew = encryption.anew(row.answer, place=_place(row.id), keys=settings.SECRET_KEYS)
    return anew is not None and bool(Repeat.objects.filter(pk=row.pk, answer=row.answer).update(answer=anew))


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
