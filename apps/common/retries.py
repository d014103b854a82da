"""How much may be repeated: retries must not multiply the load of a server that is failing. Pure."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class RetryBudget:
    """Repeats within `seconds` are at most a `share` of the requests of that time, or `floor` if that is more.

    `now` is in seconds, of any monotonic clock. Not thread-safe: for one event loop.
    """

    share: float = 0.2
    floor: int = 3
    seconds: float = 30.0
    _repeats: deque[float] = field(default_factory=deque)

    def take(self, now: float, *, requests: int) -> bool:
        """Whether one of so many requests may be repeated, which then counts."""
        while self._repeats and self._repeats[0] <= now - self.seconds:
            self._repeats.popleft()
        if len(self._repeats) >= max(self.floor, int(requests * self.share)):
            return False
        self._repeats.append(now)
        return True
