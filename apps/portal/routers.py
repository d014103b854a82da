"""Endpoints in which students learn about themselves: their week, their requests for more, their appeals."""

from datetime import UTC, datetime
from typing import Any

from ninja import Router, Status

from apps.accounts import own_keys
from apps.conversations.appeals import AppealView
from apps.conversations.appeals import latest as latest_appeals
from apps.dataplane.requests import REFUSALS, StudentRequest
from apps.portal import allowance_requests, appeals
from apps.portal.schemas import (
    APPEAL_BODY,
    REQUEST_BODY,
    AllowanceRequestOut,
    AllowanceRequestsOut,
    AppealOut,
    AppealsOut,
    OwnKeysOut,
    UsageOut,
)
from apps.portal.usage import usage as usage_of
from apps.quotas.requests import RequestView
from apps.quotas.requests import latest as latest_requests

router = Router(tags=["Student API"])


@router.get("/usage", response={200: UsageOut, **REFUSALS}, summary="What is left of the week, and why")
async def usage(request: StudentRequest) -> UsageOut:
    return await usage_of(
        request.plane.reader, request.plane.policies.current, request.principal, now=datetime.now(UTC)
    )


@router.post(
    "/usage/requests",
    response={201: AllowanceRequestOut, **REFUSALS},
    summary="Ask the instructor for more tokens this week",
    openapi_extra=REQUEST_BODY.in_openapi,
)
async def ask_for_more(request: StudentRequest) -> Status[RequestView]:
    filed = await allowance_requests.file(request.plane.writer, request.principal, request.raw, now=datetime.now(UTC))
    return Status(201, filed)


@router.get(
    "/usage/requests",
    response={200: AllowanceRequestsOut, **REFUSALS},
    summary="One's requests for more, and what became of them",
)
async def list_requests(request: StudentRequest) -> Any:
    return {"data": await request.plane.reader.submit(latest_requests, request.principal.membership_id)}


@router.get(
    "/usage/keys", response={200: OwnKeysOut, **REFUSALS}, summary="One's keys: when each was made, and by whom"
)
async def list_keys(request: StudentRequest) -> Any:
    return {"data": await request.plane.reader.submit(own_keys.of_members, request.principal.membership_id)}


@router.post(
    "/rules/appeals",
    response={201: AppealOut, **REFUSALS},
    summary="Tell the instructor that a rule was wrong about a request",
    openapi_extra=APPEAL_BODY.in_openapi,
)
async def appeal(request: StudentRequest) -> Status[AppealView]:
    filed = await appeals.file(request.plane.writer, request.principal, request.raw, now=datetime.now(UTC))
    return Status(201, filed)


@router.get("/rules/appeals", response={200: AppealsOut, **REFUSALS}, summary="One's appeals, and what became of them")
async def list_appeals(request: StudentRequest) -> Any:
    return {"data": await request.plane.reader.submit(latest_appeals, request.principal.membership_id)}
