"""A circuit breaker: stops asking a service that does not answer, so that few callers wait in vain."""


class Breaker:
    """Closed, it lets every caller ask. After `misses` failures in a row it opens, and lets one ask each `pause`.

    A caller that was allowed to ask reports a hit or a miss. One hit closes the breaker. `now` and `pause` are in
    seconds, of any monotonic clock. Not thread-safe: for one event loop.
    """

    def __init__(self, *, misses: int = 5, pause: float = 1.0) -> None:
        self._most, self._pause = misses, pause
        self._misses = 0
        self._next_probe: float | None = None

    @property
    def is_open(self) -> bool:
        return self._next_probe is not None

    def allows(self, now: float) -> bool:
        """Whether to ask now. While the breaker is open, asking is a probe, and the next one is a pause away."""
        if self._next_probe is None:
            return True
        if now < self._next_probe:
            return False
        self._next_probe = now + self._pause
        return True

    def hit(self) -> bool:
        """Report an answer. True if that closed the breaker."""
        was_open, self._misses, self._next_probe = self.is_open, 0, None
        return was_open

    def miss(self, now: float) -> bool:
        """Report a failure. True if that opened the breaker."""
        self._misses += 1
        return self._misses >= self._most and self.trip(now)

    def trip(self, now: float) -> bool:
        """Open the breaker at once. True unless it was open already."""
        if self.is_open:
            return False
        self._next_probe = now + self._pause
        return True
