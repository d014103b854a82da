"""How much may be repeated: retries must not multiply the load of a server that is failing. Pure."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class RetryBudget:
    """Repeats are at most a `share` of the requests of the last `seconds`, or `floor` of them if that is more.

    `now` is in seconds, of any monotonic clock. Not thread-safe: for one event loop.
    """

    share: float = 0.2
    floor: int = 3
    seconds: int = 10
    _seconds: "deque[_Counted]" = field(default_factory=deque)

    def note(self, now: float) -> None:
        """A request is made that is no repeat."""
        self._at(now).requests += 1

    def take(self, now: float) -> bool:
        """Whether one more may be repeated, which then counts."""
        second = self._at(now)
        requests = sum(one.requests for one in self._seconds)
        if sum(one.repeats for one in self._seconds) >= max(self.floor, int(requests * self.share)):
            return False
        second.repeats += 1
        return True

    def _at(self, now: float) -> "_Counted":
        """The count of this second. Forgets those that are too old."""
        number = int(now)
        if not self._seconds or self._seconds[-1].number != number:
            self._seconds.append(_Counted(number))
            while self._seconds[0].number <= number - self.seconds:
                self._seconds.popleft()
        return self._seconds[-1]


@dataclass(slots=True)
class _Counted:
    number: int
    requests: int = 0
    repeats: int = 0
