"""A student's “this was wrongly blocked”, from the bytes of the request to the writer and back."""

from datetime import datetime
from typing import Any

import orjson

from apps.accounts.principals import Principal
from apps.common.commit import Writer
from apps.common.errors import InvalidRequest, NotAllowed, NotFound
from apps.conversations import appeals
from apps.conversations.appeals import NewAppeal, Told

LONGEST_REASON = 1000


async def file(writer: Writer, principal: Principal, raw: bytes, *, now: datetime) -> Told:
    """File an appeal against a refusal of the caller's own. Raises GatewayError."""
    call_id, reason = _read(raw)
    appeal = NewAppeal(membership_id=principal.membership_id, call_id=call_id, reason=reason, now=now)
    refused = await writer.submit(appeals.file, appeal)
    _raise(refused, call_id)
    return Told(call_id=call_id, reason=reason, state="open", answer="", created_at=now, decided_at=None)


async def told(writer: Writer, principal: Principal) -> tuple[Told, ...]:
    """The caller's appeals, newest first. Raises StoreAway."""
    return await writer.submit(appeals.told, principal.membership_id)


def _read(raw: bytes) -> tuple[str, str]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise InvalidRequest("invalid_json", "The body must be a JSON object with 'request_id' and 'reason'.")
    call_id = _text(body, "request_id", longest=32)
    return call_id, _text(body, "reason", longest=LONGEST_REASON)


def _text(body: dict[str, Any], name: str, *, longest: int) -> str:
    value = body.get(name)
    text = value.strip() if isinstance(value, str) else ""
    if not 1 <= len(text) <= longest or "\x00" in text:
        code = "invalid_value" if name in body else "missing_required_parameter"
        raise InvalidRequest(code, f"'{name}' must be a text of 1 to {longest} characters.", param=name)
    return text


def _raise(refused: str, call_id: str) -> None:
    if refused == appeals.NO_SUCH_CALL:
        raise NotFound(
            "request_not_found",
            f"You have made no request '{call_id}'. Send the request_id that came with the refusal.",
            param="request_id",
        )
    if refused == appeals.NOT_REFUSED:
        raise InvalidRequest("not_refused_by_rule", "No rule has refused or changed this request.", param="request_id")
    if refused == appeals.APPEALED:
        raise InvalidRequest(
            "already_appealed",
            "You have appealed against this refusal already. GET /v1/rules/appeals tells what became of it.",
            param="request_id",
        )
    if refused == appeals.TOO_MANY:
        raise NotAllowed(
            "too_many_appeals",
            f"You have {appeals.MOST_OPEN} appeals that nobody has answered yet. Ask your instructor.",
        )
