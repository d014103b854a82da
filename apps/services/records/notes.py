"""What is known of a request to a service once it has ended. Pure."""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from apps.services.outcomes import RequestOutcome

# Upper bounds in milliseconds; the last bucket has none.
BOUNDS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestNote:
    """`code` is that of our own error, empty if the service answered. `instance` is 0 if none was asked."""

    id: str
    at: datetime
    service: int
    service_name: str
    instance: int
    url: str
    method: str
    path: str
    status: int
    outcome: RequestOutcome
    code: str
    first_byte_ms: int | None
    duration_ms: int
    bytes_in: int
    bytes_out: int
    attempts: int
    membership: int | None
    course: int | None

    @property
    def bucket(self) -> int:
        """By the time to the first byte, since a long download is not a slow service."""
        return bisect_left(BOUNDS, self.duration_ms if self.first_byte_ms is None else self.first_byte_ms)
