"""A student's request for more, from its bytes to the writer."""

from datetime import datetime

import orjson
from pydantic import ValidationError

from apps.accounts.principals import Principal
from apps.common.commit import Writer
from apps.common.errors import InvalidRequest, NotAllowed
from apps.portal.schemas import REQUEST_BODY, AllowanceRequestIn
from apps.quotas import requests
from apps.quotas.requests import NewRequest, Told
from apps.quotas.weeks import week_at


async def file(writer: Writer, principal: Principal, raw: bytes, *, now: datetime) -> Told:
    """Ask for more in the current week. Raises InvalidRequest, NotAllowed or StoreAway."""
    asked = _read(raw)
    week = week_at(now, timezone=principal.timezone, first_day=principal.first_day)
    request = NewRequest(
        membership_id=principal.membership_id,
        week_starts_at=week.starts_at,
        tokens=asked["tokens"],
        reason=asked["reason"],
        now=now,
    )
    filed = await writer.submit(requests.file, request)
    if isinstance(filed, str):
        raise _refusal(filed)
    return Told(
        id=filed,
        tokens=request.tokens,
        reason=request.reason,
        state="open",
        answer="",
        granted_tokens=None,
        created_at=now,
        decided_at=None,
    )


async def told(writer: Writer, principal: Principal) -> tuple[Told, ...]:
    """The caller's requests, newest first. Raises StoreAway."""
    return await writer.submit(requests.told, principal.membership_id)


def _read(raw: bytes) -> AllowanceRequestIn:
    try:
        asked = REQUEST_BODY.validate_python(orjson.loads(raw))
    except orjson.JSONDecodeError as error:
        raise InvalidRequest("invalid_json", "The body must be a JSON object with 'tokens' and 'reason'.") from error
    except ValidationError as error:
        raise _mistake(error) from error
    return asked


def _mistake(error: ValidationError) -> InvalidRequest:
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else None
    if name is None:
        return InvalidRequest("invalid_json", "The body must be a JSON object with 'tokens' and 'reason'.")
    if first["type"] == "missing":
        return InvalidRequest("missing_required_parameter", f"'{name}' is missing.", param=name)
    if first["type"] == "extra_forbidden":
        known = "'tokens' and 'reason'"
        return InvalidRequest("unknown_parameter", f"'{name[:60]}' is not known here. Send {known}.", param=name[:60])
    return InvalidRequest("invalid_value", f"'{name}': {first['msg']}.", param=name)


def _refusal(reason: str) -> InvalidRequest | NotAllowed:
    if reason == requests.OPEN_ALREADY:
        return InvalidRequest(
            "request_already_open",
            "You have asked for more this week already, and nobody has decided yet. GET /v1/usage/requests tells when.",
        )
    return NotAllowed(
        "too_many_requests_for_more",
        f"You have asked for more {requests.MOST_A_WEEK} times this week. Talk to your instructor.",
    )
