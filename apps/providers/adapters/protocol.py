"""The interface of an adapter, which sends calls to one kind of provider.

`open` sends the request and returns an Upstream once the provider has accepted it, or raises UpstreamRefused with a
reason for failover. The provider's sentences go no further, not even to the log, since they may quote the student or
our key. Identifiers may.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from apps.common.tracing import Trace, begun
from apps.providers.routing import Candidate

Reason = Literal["unreachable", "too_slow", "broken", "credential", "rate", "error", "request"]

# Reasons for which another candidate may do better. An invalid request fails everywhere.
ELSEWHERE: frozenset[Reason] = frozenset({"unreachable", "too_slow", "broken", "credential", "rate", "error"})


class UpstreamRefused(Exception):
    """A candidate did not take the call. `code` and `param` are the identifiers that it gave, if any."""

    def __init__(self, reason: Reason, *, detail: str, status: int = 0, code: str = "", param: str = "") -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.status = status
        self.code = code
        self.param = param


class UpstreamBroken(Exception):
    """The answer stopped before its end. `kept` is what arrived before that and has not been relayed yet.

    `error` is what the provider sent instead of the rest, for `refusal_in`. It is neither logged nor shown.
    """

    kept: bytes = b""

    def __init__(self, detail: str, *, error: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An outgoing call: the client's body with model, output cap and stream options replaced.

    `dialect` names the format of the body and of the answer that is wanted.
    """

    dialect: str
    body: dict[str, Any]
    is_stream: bool
    request_id: str
    trace: Trace = field(default_factory=begun)


class Upstream(Protocol):
    """An accepted call. `chunks` gives the bytes of the answer: one JSON document, or server-sent events.

    They are in the dialect of the call, whatever the provider's own format is.
    """

    provider_request_id: str

    def chunks(self) -> AsyncIterator[bytes]:
        """Raises UpstreamBroken."""
        ...

    def close(self) -> None:
        """Stop the answer. Harmless after its end."""
        ...


class Adapter(Protocol):
    async def open(self, candidate: Candidate, outgoing: Outgoing) -> Upstream:
        """Send the call. Raises UpstreamRefused."""
        ...
