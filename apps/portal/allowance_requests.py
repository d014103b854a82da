"""Files a student's request for more tokens."""

from datetime import datetime

from apps.accounts.principals import Principal
from apps.common.commit import Writer
from apps.common.errors import GatewayError, InvalidRequest, NotAllowed
from apps.portal.programs import refuse_programs
from apps.portal.schemas import REQUEST_BODY
from apps.quotas import requests
from apps.quotas.requests import NewRequest, RequestView
from apps.quotas.weeks import week_at


async def file(writer: Writer, principal: Principal, raw: bytes, *, now: datetime) -> RequestView:
    """File a request for the current week. Raises InvalidRequest, NotAllowed or StoreAway."""
    refuse_programs(principal, "AllowanceRequest")
    body = REQUEST_BODY.read(raw)
    request = NewRequest(
        membership_id=principal.membership_id,
        week_starts_at=week_at(now, timezone=principal.timezone, first_day=principal.first_day).starts_at,
        tokens=body["tokens"],
        reason=body["reason"],
        now=now,
    )
    filed = await writer.submit(requests.file, request)
    if isinstance(filed, str):
        raise _refusal(filed)
    return RequestView(id=filed, tokens=request.tokens, reason=request.reason, created_at=now)


def _refusal(why: str) -> GatewayError:
    if why == requests.OPEN_ALREADY:
        return InvalidRequest(
            "request_already_open",
            "You have asked for more this week already, and nobody has decided yet. GET /v1/usage/requests tells when.",
        )
    return NotAllowed(
        "too_many_requests_for_more",
        f"You have asked for more {requests.MOST_A_WEEK} times this week. Talk to your instructor.",
    )
