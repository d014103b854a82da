"""The values of the chat path: what a student asks for, and the provider that accepted it."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from django.conf import settings

from apps.accounts.principals import Principal
from apps.chat.dialects.protocol import AnswerReader, Dialect
from apps.common.errors import BodyTooLarge, InvalidRequest, NotAllowed, NotFound
from apps.common.tracing import Trace, begun
from apps.conversations.history import Message
from apps.providers.adapters.protocol import Upstream, UpstreamBroken
from apps.providers.catalogue import Catalogue, Route
from apps.providers.routing import Candidate


class ChatCall(NamedTuple):
    """What a student asks for, in which dialect. `body` is the parsed request and must not be changed.

    `size` is its bytes without the data of images, sound and files, which are `media_bytes`, estimated as
    `media_tokens`.
    """

    id: str
    principal: Principal
    route: Route
    dialect: Dialect
    body: dict[str, Any]
    size: int
    messages: tuple[Message, ...]
    is_stream: bool
    wants_usage: bool
    max_output: int | None
    choices: int
    trace: Trace
    media_tokens: int = 0
    media_bytes: int = 0
    asked_for: str = ""

    @property
    def model(self) -> str:
        """The model that the student named, even if another one answers."""
        return self.asked_for or self.route.name

    def turned_to(self, route: Route) -> "ChatCall":
        """The same call for another model."""
        return self._replace(route=route, asked_for=self.model)


def parse(
    raw: bytes, dialect: Dialect, *, id: str, principal: Principal, catalogue: Catalogue, trace: Trace | None = None
) -> ChatCall:
    """Parse a request. Raises InvalidRequest, BodyTooLarge, NotFound or NotAllowed."""
    asked = dialect.parse(raw)
    if asked.size > settings.MAX_REQUEST_SIZE:
        raise BodyTooLarge(
            "request_too_large",
            f"Images, sound and files aside, the request has more than {settings.MAX_REQUEST_SIZE:,} bytes. Send less "
            "at once.",
        )
    route = route_of(asked.model, principal, catalogue)
    if name := route.refused_in(asked.body):
        raise InvalidRequest(
            "unsupported_parameter", f"'{name}' cannot be used with '{route.name}' here. Leave it out.", param=name
        )
    return ChatCall(
        id=id,
        principal=principal,
        route=route,
        dialect=dialect,
        body=asked.body,
        size=asked.size,
        messages=asked.messages,
        is_stream=asked.is_stream,
        wants_usage=asked.wants_usage,
        max_output=asked.max_output,
        choices=asked.choices,
        media_tokens=asked.media_tokens,
        media_bytes=asked.media_bytes,
        trace=trace or begun(),
    )


def route_of(name: str, principal: Principal, catalogue: Catalogue) -> Route:
    """The route of a model that this caller may use. Raises NotFound or NotAllowed."""
    route, scope = catalogue.route(name, principal.demand), principal.scopes.models
    is_allowed = (scope is None or name in scope) and catalogue.allows(principal.course_id, name)
    if route is None or not is_allowed:
        raise no_such_model(name, principal, catalogue)
    if route.barred_by:
        raise barred(route, principal)
    return route


def no_such_model(name: str, principal: Principal, catalogue: Catalogue) -> NotFound:
    """One error for a model that is nowhere and one that is elsewhere: nobody learns what other courses have."""
    reachable = [
        route.name
        for route in catalogue.of(principal.course_id, principal.demand)
        if principal.scopes.admits_model(route.name)
    ]
    allowed = ", ".join(reachable) or "none yet"
    return NotFound("model_not_found", f"Your course has no model '{name[:100]}'. It allows: {allowed}.", param="model")


def barred(route: Route, principal: Principal) -> NotAllowed:
    """The error for a model whose deployments are all where the prompt may not go."""
    if route.barred_by == "model":
        return NotAllowed(
            "no_allowed_hosting",
            f"No deployment of '{route.name}' is where its prompts may go. Choose another; the operator must act.",
            param="model",
            fixed_by="operator",
        )
    return NotAllowed(
        "no_allowed_hosting",
        f"Your course keeps its prompts {principal.demand.in_words()}, and '{route.name}' answers from elsewhere only. "
        "Choose another model (GET /v1/models), or ask your instructor.",
        param="model",
    )


class Accepted(NamedTuple):
    """An answer that has begun: who gives it, at which attempt, and its reader.

    `first` are the events up to the first content, and `rest` is all that follows, unless it is `broken` there.
    A plain answer is in the reader, whole.
    """

    upstream: Upstream
    candidate: Candidate
    attempts: int
    reader: AnswerReader
    first: bytes
    rest: AsyncIterator[bytes]
    broken: UpstreamBroken | None = None
