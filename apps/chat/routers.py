"""The chat endpoints of the student API: completions and models, in OpenAI's format."""

from datetime import UTC, datetime

from ninja import Router

from apps.accounts.scopes import ALL, LONGEST_ASSIGNMENT
from apps.chat import pipeline
from apps.chat.call import route_of
from apps.chat.dialects import DIALECTS
from apps.chat.dialects.openai_chat.schema import CHAT_IN_OPENAPI
from apps.chat.idempotency.keys import attempt_of
from apps.chat.pipeline import Arrival
from apps.chat.runtime import ChatRuntime
from apps.chat.schemas import ModelOut, ModelsOut
from apps.dataplane.answers import Answer
from apps.dataplane.requests import REFUSALS, StudentRequest
from apps.dataplane.scope_checks import assignment_within
from apps.providers.catalogue import Route

router = Router(tags=["Student API"])
COMPLETIONS = "/chat/completions"


@router.post(
    COMPLETIONS,
    summary="Chat completion, plain or streamed",
    response=REFUSALS,
    openapi_extra=CHAT_IN_OPENAPI,
)
async def chat_completions(request: StudentRequest) -> Answer:
    assignment = (request.header(b"x-assignment") or "")[:LONGEST_ASSIGNMENT]
    if (scopes := request.principal.scopes) is not ALL:
        assignment = assignment_within(scopes, assignment)
    arrival = Arrival(
        id=request.request_id,
        dialect=DIALECTS[COMPLETIONS],
        principal=request.principal,
        raw=request.raw,
        now=datetime.now(UTC),
        trace=request.trace,
        admitted=request.admitted,
        assignment=assignment,
        attempt=attempt_of(key=request.header(b"idempotency-key"), number=request.header(b"x-stainless-retry-count")),
    )
    return await pipeline.chat(runtime_of(request), arrival)


@router.get("/models", response={200: ModelsOut, **REFUSALS}, summary="The models that the course allows")
async def list_models(request: StudentRequest) -> ModelsOut:
    principal = request.principal
    routes = runtime_of(request).catalogue.current.of(principal.course_id, principal.demand)
    return ModelsOut(data=[_model(route) for route in routes if principal.scopes.admits_model(route.name)])


@router.get("/models/{path:name}", response={200: ModelOut, **REFUSALS}, summary="One model")
async def retrieve_model(request: StudentRequest, name: str) -> ModelOut:
    return _model(route_of(name, request.principal, runtime_of(request).catalogue.current))


def _model(route: Route) -> ModelOut:
    return ModelOut(
        id=route.name,
        created=route.created,
        context_window=route.context_window,
        max_output_tokens=route.max_output_tokens,
        hosting=route.hosting,
        regions=list(route.regions),
    )


def runtime_of(request: StudentRequest) -> ChatRuntime:
    runtime: ChatRuntime = request.state["chat"]
    return runtime
