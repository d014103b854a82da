"""The interface of an adapter, which sends calls to one kind of provider.

`open` sends the request and returns an Upstream once the provider has accepted it, or raises UpstreamRefused with a
reason for failover. The provider's sentences go no further, not even to the log, since they may quote the student or
our key. Identifiers may.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from apps.common.tracing import Trace, begun
from apps.providers.failures import ELSEWHERE, Reason, UpstreamRefused
from apps.providers.routing import Candidate

__all__ = [
    "ELSEWHERE",
    "Adapter",
    "AnswerTooLong",
    "Outgoing",
    "Reason",
    "Upstream",
    "UpstreamBroken",
    "UpstreamRefused",
]


class UpstreamBroken(Exception):
    """The answer stopped before its end. `kept` is what arrived before that and has not been relayed yet.

    `error` is what the provider sent instead of the rest, for `refusal_in`. It is neither logged nor shown. `is_empty`:
    it came to its end, and said nothing. `is_cut`: the connection broke, which does no harm behind a whole answer.
    """

    kept: bytes = b""
    is_cut = False

    def __init__(self, detail: str, *, error: Any = None, is_empty: bool = False) -> None:
        super().__init__(detail)
        self.error = error
        self.is_empty = is_empty


class AnswerTooLong(UpstreamBroken):
    """We broke the answer off, since it became longer than we pass on.

    `dropped`: of the text that was read, so many bytes at most were not passed on.
    """

    dropped = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An outgoing call: the client's body with model, output cap and stream options replaced.

    `dialect` names the format of the body and of the answer that is wanted, `added` the parameters of the body that are
    ours, and not the client's.
    """

    dialect: str
    body: dict[str, Any]
    is_stream: bool
    request_id: str
    trace: Trace = field(default_factory=begun)
    added: frozenset[str] = frozenset()


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
        """Send the call. The caller limits the time that it takes. Raises UpstreamRefused."""
        ...
