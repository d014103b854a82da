"""Files a student's appeal against what a rule did to a call."""

from datetime import datetime

from apps.accounts.principals import Principal
from apps.common.commit import Writer
from apps.common.errors import GatewayError, InvalidRequest, NotAllowed, NotFound
from apps.conversations import appeals
from apps.conversations.appeals import AppealView, NewAppeal
from apps.portal.programs import refuse_programs
from apps.portal.schemas import APPEAL_BODY


async def file(writer: Writer, principal: Principal, raw: bytes, *, now: datetime) -> AppealView:
    """Appeal against a refusal of the caller's own. Raises InvalidRequest, NotAllowed, NotFound or StoreAway."""
    refuse_programs(principal, "Appeal")
    body = APPEAL_BODY.read(raw)
    call_id, reason = body["request_id"], body["reason"]
    appeal = NewAppeal(membership_id=principal.membership_id, call_id=call_id, reason=reason, now=now)
    if refused := await writer.submit(appeals.file, appeal):
        raise _refusal(refused, call_id)
    return AppealView(call_id=call_id, reason=reason, created_at=now)


def _refusal(why: str, call_id: str) -> GatewayError:
    if why == appeals.NO_SUCH_CALL:
        return NotFound(
            "request_not_found",
            f"You have made no request '{call_id}'. Send the request_id that came with the refusal.",
            param="request_id",
        )
    if why == appeals.NOT_REFUSED:
        return InvalidRequest("not_refused_by_rule", "No rule has refused or changed this request.", param="request_id")
    if why == appeals.APPEALED:
        return InvalidRequest(
            "already_appealed",
            "You have appealed against this refusal already. GET /v1/rules/appeals tells what became of it.",
            param="request_id",
        )
    return NotAllowed(
        "too_many_appeals",
        f"You have {appeals.MOST_OPEN} appeals that nobody has answered yet. Ask your instructor.",
    )
