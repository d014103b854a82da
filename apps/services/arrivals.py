"""A request to a service as it arrived, and its body in pieces."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from apps.accounts.principals import Principal
from apps.common.tracing import Trace
from apps.services.registry import Entry


class IncomingBody(Protocol):
    """The body of a request while it arrives. Iterate over it once; it raises a GatewayError if it is too large."""

    @property
    def length(self) -> int | None:
        """As announced; None if it comes in chunks. 0 is no body."""
        ...

    def __aiter__(self) -> AsyncGenerator[bytes]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceArrival:
    """`rest` is the path behind the service's prefix and `query` what follows "?", both as they came on the wire.

    Header names are in lower case. `principal` is None for a caller without a key, whose service admits such;
    `admitted` is the revision of the accounts at which it was looked up.
    """

    id: str
    entry: Entry
    method: str
    rest: str
    query: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: IncomingBody
    principal: Principal | None
    address: str
    scheme: str
    now: datetime
    trace: Trace
    admitted: object = None
