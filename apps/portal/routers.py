"""What students ask about themselves: their week, their requests for more, their appeals."""

from datetime import UTC, datetime

from ninja import Router, Status

from apps.conversations.appeals import Told
from apps.dataplane.requests import REFUSALS, StudentRequest
from apps.portal import allowance_requests, appeals
from apps.portal.schemas import (
    APPEAL_IN_OPENAPI,
    REQUEST_IN_OPENAPI,
    AllowanceRequestOut,
    AllowanceRequestsOut,
    AppealOut,
    AppealsOut,
    UsageOut,
)
from apps.portal.usage import instant
from apps.portal.usage import request as request_out
from apps.portal.usage import usage as usage_of

router = Router(tags=["Student API"])


@router.get("/usage", response={200: UsageOut, **REFUSALS}, summary="What is left of the week, and why")
async def usage(request: StudentRequest) -> UsageOut:
    return await usage_of(
        request.plane.writer, request.plane.policies.current, request.principal, now=datetime.now(UTC)
    )


@router.post(
    "/usage/requests",
    response={201: AllowanceRequestOut, **REFUSALS},
    summary="Ask the instructor for more tokens this week",
    openapi_extra=REQUEST_IN_OPENAPI,
)
async def ask_for_more(request: StudentRequest) -> Status[AllowanceRequestOut]:
    filed = await allowance_requests.file(request.plane.writer, request.principal, request.raw, now=datetime.now(UTC))
    return Status(201, request_out(filed))


@router.get(
    "/usage/requests",
    response={200: AllowanceRequestsOut, **REFUSALS},
    summary="One's requests for more, and what became of them",
)
async def list_requests(request: StudentRequest) -> AllowanceRequestsOut:
    asked = await allowance_requests.told(request.plane.writer, request.principal)
    return AllowanceRequestsOut(data=[request_out(told) for told in asked])


@router.post(
    "/rules/appeals",
    response={201: AppealOut, **REFUSALS},
    summary="Tell the instructor that a rule was wrong about a request",
    openapi_extra=APPEAL_IN_OPENAPI,
)
async def appeal(request: StudentRequest) -> Status[AppealOut]:
    filed = await appeals.file(request.plane.writer, request.principal, request.raw, now=datetime.now(UTC))
    return Status(201, _appeal(filed))


@router.get("/rules/appeals", response={200: AppealsOut, **REFUSALS}, summary="One's appeals, and what became of them")
async def list_appeals(request: StudentRequest) -> AppealsOut:
    return AppealsOut(data=[_appeal(one) for one in await appeals.told(request.plane.writer, request.principal)])


def _appeal(told: Told) -> AppealOut:
    return AppealOut(
        request_id=told.call_id,
        reason=told.reason,
        state=told.state,  # type: ignore[arg-type]  # the database holds no other
        answer=told.answer,
        created_at=instant(told.created_at),
        decided_at=instant(told.decided_at) if told.decided_at else None,
    )
