"""A circuit breaker: stops asking a service that does not answer, so that few callers wait in vain."""

from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple


class Window(NamedTuple):
    """Open when at least this share of the requests of the last `seconds` failed, if there were `at_least` so many."""

    seconds: int = 30
    at_least: int = 20
    share: float = 0.5


@dataclass(slots=True)
class Judge:
    """Counts what came of requests, and says when there were too many failures: `misses` in a row, or by the window.

    `now` is in seconds, of any monotonic clock. Not thread-safe: for one event loop.
    """

    misses: int = 5
    window: Window | None = None
    _in_a_row: int = 0
    _seconds: "deque[_Second]" = field(default_factory=deque)

    def hit(self, now: float) -> None:
        self._in_a_row = 0
        if self.window is not None:
            self._at(now).hits += 1

    def miss(self, now: float, *, in_a_row: bool = True) -> bool:
        """True if that was one too many. A failure that is not `in_a_row` counts in the window alone, and shows that
        the service can be reached."""
        self._in_a_row = self._in_a_row + 1 if in_a_row else 0
        if self.window is not None:
            self._at(now).misses += 1
        return self._in_a_row >= self.misses or self._is_over()

    def total(self, now: float) -> int:
        """How many requests there were in the window."""
        if self.window is None:
            return 0
        left = int(now) - self.window.seconds
        return sum(second.hits + second.misses for second in self._seconds if second.number > left)

    def clear(self) -> None:
        self._in_a_row = 0
        self._seconds.clear()

    def _at(self, now: float) -> "_Second":
        """The count of this second. Forgets those that have left the window."""
        assert self.window is not None  # noqa: S101  # only then anything is counted
        second = int(now)
        while self._seconds and self._seconds[0].number <= second - self.window.seconds:
            self._seconds.popleft()
        if not self._seconds or self._seconds[-1].number < second:
            self._seconds.append(_Second(second))
        return self._seconds[-1]

    def _is_over(self) -> bool:
        if self.window is None:
            return False
        misses = sum(second.misses for second in self._seconds)
        total = misses + sum(second.hits for second in self._seconds)
        return total >= self.window.at_least and misses >= total * self.window.share


@dataclass(slots=True)
class _Second:
    number: int
    hits: int = 0
    misses: int = 0


def pause_of(times: int, *, first: float = 10.0, longest: float = 300.0, jitter: float = 0.0) -> float:
    """How long to stay open when opened `times` times in a row: twice as long each time, and up to a tenth more.

    `jitter` is a random number from 0 to 1, so that those who opened together do not ask again together.
    """
    pause: float = min(longest, first * 2.0 ** min(times - 1, 60))
    return pause * (1 + jitter / 10)


class Breaker:
    """Closed, it lets every caller ask. After `misses` failures in a row it opens, and lets one ask each `pause`.

    A caller that was allowed to ask reports a hit or a miss. One hit closes the breaker. With a `window`, a share of
    failures opens it too. With `longest`, each failed trial doubles the pause up to there; `rng` spreads the trials of
    many. `now` and `pause` are in seconds, of any monotonic clock. Not thread-safe: for one event loop.
    """

    def __init__(
        self,
        *,
        misses: int = 5,
        pause: float = 1.0,
        longest: float | None = None,
        window: Window | None = None,
        rng: Random | None = None,
    ) -> None:
        self._pause, self._longest = pause, pause if longest is None else longest
        self._rng = rng
        self._judge = Judge(misses, window)
        self._times = 0
        self._next_probe: float | None = None

    @property
    def is_open(self) -> bool:
        return self._next_probe is not None

    def allows(self, now: float) -> bool:
        """Whether to ask now. While the breaker is open, asking is a trial, and the next one is a pause away."""
        if self._next_probe is None:
            return True
        if now < self._next_probe:
            return False
        self._times += 1
        self._next_probe = now + self._length()
        return True

    def hit(self, now: float) -> bool:
        """Report an answer. True if that closed the breaker."""
        was_open, self._times, self._next_probe = self.is_open, 0, None
        if was_open:
            self._judge.clear()
        self._judge.hit(now)
        return was_open

    def miss(self, now: float) -> bool:
        """Report a failure. True if that opened the breaker."""
        return self._judge.miss(now) and self.trip(now)

    def trip(self, now: float) -> bool:
        """Open the breaker at once. True unless it was open already."""
        if self.is_open:
            return False
        self._times = 1
        self._next_probe = now + self._length()
        return True

    def _length(self) -> float:
        jitter = self._rng.random() if self._rng is not None else 0.0
        return pause_of(self._times, first=self._pause, longest=self._longest, jitter=jitter)
