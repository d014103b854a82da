"""A breaker: stops asking what does not answer, so that only a few have to wait in vain."""


class Breaker:
    """Closed, it lets everybody ask. After so many misses in a row it is open, and lets one ask each `pause`.

    Whoever was allowed to ask reports a hit or a miss; one hit closes it. `now` is in seconds, of any clock that does
    not run backwards. Not thread-safe: for one event loop.
    """

    def __init__(self, *, misses: int = 5, pause: float = 1.0) -> None:
        self._most, self._pause = misses, pause
        self._misses = 0
        self._next_probe: float | None = None

    @property
    def is_open(self) -> bool:
        return self._next_probe is not None

    def allows(self, now: float) -> bool:
        """Whether to ask now. While it is open, asking is a probe, and the next one is a pause away."""
        if self._next_probe is None:
            return True
        if now < self._next_probe:
            return False
        self._next_probe = now + self._pause
        return True

    def hit(self) -> bool:
        """There was an answer. True if that closed it."""
        was_open, self._misses, self._next_probe = self.is_open, 0, None
        return was_open

    def miss(self, now: float) -> bool:
        """There was none. True if that opened it."""
        self._misses += 1
        return self._misses >= self._most and self.trip(now)

    def trip(self, now: float) -> bool:
        """Open it at once. True unless it was open already."""
        if self.is_open:
            return False
        self._next_probe = now + self._pause
        return True
