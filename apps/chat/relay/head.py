"""The head of an answer: what is known before its first byte is sent."""

from typing import NamedTuple

from apps.chat.accounting.reservations import Reservation
from apps.chat.call import Accepted
from apps.chat.guardrails import notices
from apps.chat.idempotency.keys import ANSWER_BYTES
from apps.chat.idempotency.stored_answers import StoredAnswer
from apps.quotas.ledger.movements import Balance
from apps.rules.rulebook import Verdict


class AnswerHead(NamedTuple):
    """What is known when a response begins: with the answer's first content, or at the end of a plain one.

    `accepted` is None if the client is kept waiting by comments, and nobody knows yet who will answer.
    """

    accepted: Accepted | None
    reservation: Reservation
    verdict: Verdict
    balances: tuple[Balance, ...]
    body: bytes | None


def answer_of(head: AnswerHead, *, call: str, events: bytes | None, end_mark: bytes) -> StoredAnswer | None:
    """The answer to keep for repeats, or None if it is too long or its `events` were not kept."""
    content = head.body
    if content is None and events is not None:
        content = events + end_mark
    if content is None or len(content) > ANSWER_BYTES:
        return None
    return StoredAnswer(call=call, is_stream=head.body is None, headers=headers_of(head), content=content)


def headers_of(head: AnswerHead) -> dict[str, str]:
    """Headers that describe the answer itself. Those that depend on the moment, such as quota, are added elsewhere."""
    headers = notices.headers(head.verdict)
    if head.accepted is not None:
        target = head.accepted.candidate.target
        headers["x-gateway-provider"] = target.provider
        headers["x-gateway-model"] = target.upstream_model
        headers["x-gateway-attempts"] = str(head.accepted.attempts)
    if head.reservation.turned is not None:
        headers["x-quota-fallback"] = head.reservation.turned.model
    if head.reservation.is_capped:
        headers["x-quota-capped-output-tokens"] = str(head.reservation.output)
    return headers
