"""Repeats: how to recognise a request that was sent before, and how to answer it. Pure.

A caller who wants a request to be executed only once sends an `Idempotency-Key` of its own. The official clients send
none, but number their attempts: `x-stainless-retry-count` is 0 at first, and more for a retry. Older ones do not, but
retry within seconds of their own timeout.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from django.conf import settings

from apps.common.errors import Conflict, GatewayError, InvalidRequest
from apps.common.json_bodies import LARGE

KEPT_FOR = timedelta(hours=24)
ANSWER_BYTES = 2**20  # the longest answer that is kept
WAIT_SECONDS = 2  # for Retry-After, while the first request is being answered

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Attempt(NamedTuple):
    """What a request's headers say: its key, and how often the client has sent it before, if it counts that."""

    key: str | None = None
    number: int | None = None


FIRST = Attempt()


def attempt_of(*, key: str | None = None, number: str | None = None) -> Attempt:
    """Read `Idempotency-Key` and `x-stainless-retry-count`, as far as they were sent. Raises InvalidRequest."""
    if key is None and number is None:
        return FIRST
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidRequest(
            "invalid_idempotency_key",
            "Idempotency-Key must be 1 to 255 visible ASCII characters, such as a UUID. Correct it or leave it out.",
            param="Idempotency-Key",
        )
    is_count = number is not None and number.isascii() and number.isdigit() and len(number) < 4
    return Attempt(key, int(number) if number is not None and is_count else None)


def digest_of(raw: bytes, *, dialect: str, key_id: int) -> bytes:
    """What all attempts of one client share: the API key, the dialect and every byte of the body."""
    return hashlib.blake2b(raw, digest_size=16, salt=key_id.to_bytes(16), person=dialect.encode()[:16]).digest()


@dataclass(frozen=True, slots=True)
class Claim:
    """Says that `call` executes an Idempotency-Key. `body` is the digest of the request's body.

    The same bytes in another dialect count as another body, since their answer has another shape.
    """

    id: str
    body: str
    call: str
    membership: int
    now: datetime

    @classmethod
    def of(cls, key: str, raw: bytes, *, dialect: str, call: str, membership: int, now: datetime) -> "Claim":
        """Keys are scoped to their holder: nobody learns whether somebody else has used the same one."""
        id = hashlib.sha256(f"{membership} {key}".encode()).hexdigest()
        # With the pepper, so that text that a rule removes cannot be guessed from the digest.
        body = hmac.new(settings.KEY_PEPPER.encode(), raw, "sha256")
        body.update(b"\0" + dialect.encode())
        return cls(id, body.hexdigest(), call, membership, now)


class Repeatable(NamedTuple):
    """How a call's answer can be asked for again: by a claim, or by the digest that a client's attempts share.

    Of attempts without a number the digest is only handed out `on_demand`: nearly all of them are no retries. It is
    made then, too, unless the body is large.
    """

    claim: Claim | None = None
    digest: bytes | None = None
    on_demand: Callable[[], bytes] | None = None


ONCE = Repeatable()


def repeatable(
    attempt: Attempt, raw: bytes, *, dialect: str, call: str, key_id: int, membership_id: int, now: datetime
) -> Repeatable:
    """How this request can be repeated. Its own key takes precedence over a client's count."""
    if attempt.key is not None:
        claim = Claim.of(attempt.key, raw, dialect=dialect, call=call, membership=membership_id, now=now)
        return Repeatable(claim=claim)
    digest = partial(digest_of, raw, dialect=dialect, key_id=key_id)
    if attempt.number is not None:
        return Repeatable(digest=digest())
    if len(raw) <= LARGE:
        return Repeatable(on_demand=digest)
    made = digest()
    return Repeatable(on_demand=lambda: made)


@dataclass(frozen=True, slots=True)
class ClaimTaken:
    """The call that has an Idempotency-Key already. `answer` is sealed, and empty if there is none to repeat."""

    body: str
    call: str
    is_done: bool
    answer: str

    def refusal(self, claim: Claim) -> GatewayError | None:
        """Why the claim is refused, or None if the answer can be repeated."""
        if self.body != claim.body:
            # Not 422, which OpenAI's clients read as a schema error: a wrong request gets 400 here.
            return InvalidRequest(
                "idempotency_key_reused",
                "This Idempotency-Key was sent before with another body. Send a new key with a new request.",
                param="Idempotency-Key",
                details={"original_request_id": self.call},
            )
        if not self.is_done:
            return self.in_flight()
        return None if self.answer else unkept(self.call)

    def in_flight(self) -> GatewayError:
        return Conflict(
            "idempotency_in_flight",
            "The first request with this Idempotency-Key is still being answered. Ask again in a moment.",
            headers={"retry-after": str(WAIT_SECONDS)},
            details={"original_request_id": self.call},
        )


def unkept(call: str) -> GatewayError:
    return InvalidRequest(
        "idempotency_answer_not_kept",
        "The request with this Idempotency-Key was answered and charged, but its answer was too long to be kept, or "
        "can no longer be read. Send a new key to ask again, which is charged again.",
        param="Idempotency-Key",
        details={"original_request_id": call},
    )
