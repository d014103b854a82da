"""The head of an answer: what is known when its first byte may go out."""

from dataclasses import dataclass

from apps.chat.accounting.reservations import Reservation
from apps.chat.call import Accepted
from apps.chat.guardrails import notices
from apps.chat.idempotency.keys import ANSWER_BYTES
from apps.chat.idempotency.stored_answers import StoredAnswer
from apps.quotas.ledger.movements import Balance
from apps.rules.rulebook import Verdict


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """What is known when the answer begins: for a stream at the provider's acceptance, else at its end."""

    accepted: Accepted
    reservation: Reservation
    verdict: Verdict
    balances: tuple[Balance, ...]
    body: bytes | None


def answer_of(head: AnswerHead, *, call: str, events: bytes | None, end_mark: bytes) -> StoredAnswer | None:
    """What can be kept of an answer that ended well: nothing of one that is too long. `events` are a stream's."""
    is_stream = head.body is None
    content = head.body if not is_stream else events + end_mark if events is not None else None
    if content is None or len(content) > ANSWER_BYTES:
        return None
    return StoredAnswer(call=call, is_stream=is_stream, headers=headers_of(head), content=content)


def headers_of(head: AnswerHead) -> dict[str, str]:
    """What the student learns beside the answer: of it, and not of the moment."""
    target = head.accepted.candidate.target
    headers = notices.headers(head.verdict)
    headers["x-gateway-provider"] = target.provider
    headers["x-gateway-model"] = target.upstream_model
    headers["x-gateway-attempts"] = str(head.accepted.attempts)
    if head.reservation.turned is not None:
        headers["x-quota-fallback"] = head.reservation.turned.model
    if head.reservation.is_capped:
        headers["x-quota-capped-output-tokens"] = str(head.reservation.output)
    return headers
