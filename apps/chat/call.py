"""The values that travel along the chat path: what a student asks for, and the provider that accepted it."""

from dataclasses import dataclass, field, replace
from typing import Any

from apps.accounts.principals import Principal
from apps.common.tracing import Trace, begun
from apps.conversations.history import Message
from apps.providers.adapters import Upstream
from apps.providers.catalogue import Route
from apps.providers.routing import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCall:
    """What a student asks for. `body` is the request as it was parsed and must not be changed.

    `size` is its bytes without the data of images, sound and files, for which `media_tokens` stand.
    """

    id: str
    principal: Principal
    route: Route
    body: dict[str, Any]
    size: int
    messages: tuple[Message, ...]
    is_stream: bool
    wants_usage: bool
    max_output: int | None
    choices: int
    media_tokens: int = 0
    trace: Trace = field(default_factory=begun)
    asked_for: str = ""

    @property
    def model(self) -> str:
        """The model that the student named, also when another one answers."""
        return self.asked_for or self.route.name

    def turned_to(self, route: Route) -> "ChatCall":
        """The same call, for another model."""
        return replace(self, route=route, asked_for=self.model)


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted call: the upstream, who accepted it, and at which attempt."""

    upstream: Upstream
    candidate: Candidate
    attempts: int
