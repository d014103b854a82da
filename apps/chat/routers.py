"""The student API: chat completions, models and usage, in OpenAI's dialect."""

from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Router, Status

from apps.accounts.principals import Principal
from apps.chat import appealing, pipeline, requesting
from apps.chat.dialects.openai_chat.schema import CHAT_IN_OPENAPI
from apps.chat.idempotency.keys import attempt_of
from apps.chat.pipeline import Arrival
from apps.chat.runtime import Plane
from apps.chat.schemas import (
    APPEAL_IN_OPENAPI,
    REQUEST_IN_OPENAPI,
    AllowanceRequestOut,
    AllowanceRequestsOut,
    AppealOut,
    AppealsOut,
    ErrorOut,
    ModelOut,
    ModelsOut,
    UsageOut,
)
from apps.chat.usage import instant
from apps.chat.usage import request as request_out
from apps.chat.usage import usage as usage_of
from apps.common.errors import NotFound
from apps.common.tracing import Trace
from apps.conversations.appeals import Told
from apps.dataplane.streaming import StreamedAnswer
from apps.providers.catalogue import Route

router = Router(tags=["Student API"])
REFUSALS = {
    400: ErrorOut,
    401: ErrorOut,
    403: ErrorOut,
    404: ErrorOut,
    409: ErrorOut,
    413: ErrorOut,
    429: ErrorOut,
    500: ErrorOut,
    502: ErrorOut,
    503: ErrorOut,
    504: ErrorOut,
}
MAX_ASSIGNMENT = 60


class StudentRequest(HttpRequest):
    """A request as the data plane's handler passes it: the caller is known and the body has been read."""

    plane: Plane
    principal: Principal
    request_id: str
    trace: Trace
    raw: bytes


@router.post(
    "/chat/completions",
    summary="Chat completion, plain or streamed",
    response=REFUSALS,
    openapi_extra=CHAT_IN_OPENAPI,
)
async def chat_completions(request: StudentRequest) -> HttpResponseBase:
    arrival = Arrival(
        id=request.request_id,
        principal=request.principal,
        raw=request.raw,
        now=datetime.now(UTC),
        trace=request.trace,
        assignment=request.META.get("HTTP_X_ASSIGNMENT", "")[:MAX_ASSIGNMENT],
        attempt=attempt_of(request.META),
    )
    answer = await pipeline.chat(request.plane, arrival)
    if answer.body is not None:
        return HttpResponse(answer.body, content_type="application/json", headers=answer.headers)
    return StreamedAnswer(answer.blocks, headers=answer.headers, on_disconnect=answer.on_disconnect)


@router.get("/models", response={200: ModelsOut, **REFUSALS}, summary="The models that the course allows")
async def list_models(request: StudentRequest) -> ModelsOut:
    routes = request.plane.catalogue.current.of(request.principal.course_id)
    return ModelsOut(data=[_model(route) for route in routes])


@router.get("/models/{path:name}", response={200: ModelOut, **REFUSALS}, summary="One model")
async def retrieve_model(request: StudentRequest, name: str) -> ModelOut:
    for route in request.plane.catalogue.current.of(request.principal.course_id):
        if route.name == name:
            return _model(route)
    raise NotFound("model_not_found", f"Your course has no model '{name[:100]}'. See /v1/models.", param="model")


@router.get("/usage", response={200: UsageOut, **REFUSALS}, summary="What is left of the week, and why")
async def usage(request: StudentRequest) -> UsageOut:
    return await usage_of(request.plane, request.principal, now=datetime.now(UTC))


@router.post(
    "/usage/requests",
    response={201: AllowanceRequestOut, **REFUSALS},
    summary="Ask the instructor for more tokens this week",
    openapi_extra=REQUEST_IN_OPENAPI,
)
async def ask_for_more(request: StudentRequest) -> Status[AllowanceRequestOut]:
    filed = await requesting.file(request.plane, request.principal, request.raw, now=datetime.now(UTC))
    return Status(201, request_out(filed))


@router.get(
    "/usage/requests",
    response={200: AllowanceRequestsOut, **REFUSALS},
    summary="One's requests for more, and what became of them",
)
async def list_requests(request: StudentRequest) -> AllowanceRequestsOut:
    asked = await requesting.told(request.plane, request.principal)
    return AllowanceRequestsOut(data=[request_out(told) for told in asked])


@router.post(
    "/rules/appeals",
    response={201: AppealOut, **REFUSALS},
    summary="Tell the instructor that a rule was wrong about a request",
    openapi_extra=APPEAL_IN_OPENAPI,
)
async def appeal(request: StudentRequest) -> Status[AppealOut]:
    filed = await appealing.file(request.plane, request.principal, request.raw, now=datetime.now(UTC))
    return Status(201, _appeal(filed))


@router.get("/rules/appeals", response={200: AppealsOut, **REFUSALS}, summary="One's appeals, and what became of them")
async def list_appeals(request: StudentRequest) -> AppealsOut:
    return AppealsOut(data=[_appeal(one) for one in await appealing.told(request.plane, request.principal)])


def _appeal(told: Told) -> AppealOut:
    return AppealOut(
        request_id=told.call_id,
        reason=told.reason,
        state=told.state,  # type: ignore[arg-type]  # the database holds no other
        answer=told.answer,
        created_at=instant(told.created_at),
        decided_at=instant(told.decided_at) if told.decided_at else None,
    )


def _model(route: Route) -> ModelOut:
    return ModelOut(
        id=route.name,
        created=route.created,
        context_window=route.context_window,
        max_output_tokens=route.max_output_tokens,
    )
