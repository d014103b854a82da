"""Short-term limits: requests a minute and requests at once, counted in this process."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from apps.common.errors import RateLimited

WINDOW = 60.0
MAX_KEPT = 100_000


@dataclass(slots=True)
class _Window:
    """Two neighbouring minutes of one student: the sliding window is estimated from both."""

    started: float
    count: int = 0
    previous: int = 0
    open: int = 0


@dataclass(frozen=True, slots=True)
class Rate:
    """How a student stands after a request: the limit, what is left of it, and seconds until all of it is back."""

    limit: int
    remaining: int
    reset: float

    def headers(self) -> dict[str, str]:
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": f"{self.reset:.3f}".rstrip("0").rstrip(".") + "s",
        }


class RateLimits:
    """Admits requests of students. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: OrderedDict[int, _Window] = OrderedDict()

    def admit(self, student: int, *, per_minute: int | None, at_once: int | None) -> Rate | None:
        """Count a request and open a slot, which `leave` closes. Raises RateLimited, and then counts nothing."""
        now = self._clock()
        window = self._window(student, now)
        if at_once is not None and window.open >= at_once:
            raise RateLimited(
                f"You have {window.open} requests open at once and your course allows {at_once}. "
                "Wait for one to finish.",
                wait=1.0,
            )
        rate = None
        if per_minute is not None:
            rate = self._check_minute(window, per_minute, now)
        window.count += 1
        window.open += 1
        return rate

    def leave(self, student: int) -> None:
        if window := self._windows.get(student):
            window.open = max(0, window.open - 1)

    def _check_minute(self, window: _Window, limit: int, now: float) -> Rate:
        age = now - window.started
        weighted = window.previous * (WINDOW - age) / WINDOW + window.count
        if weighted + 1 > limit:
            wait = _wait(window, limit, age)
            gone = Rate(limit, 0, WINDOW - age)
            raise RateLimited(
                f"Your course allows {limit} requests a minute. Wait {wait:.0f} seconds and repeat.",
                wait=wait,
                headers=gone.headers(),
            )
        return Rate(limit, int(limit - weighted - 1), WINDOW - age + (WINDOW if window.count else 0))

    def _window(self, student: int, now: float) -> _Window:
        """The student's window, moved on to `now`; the longest idle ones are forgotten beyond a bound."""
        window = self._windows.pop(student, None) or _Window(now)
        age = now - window.started
        if age >= WINDOW:
            window.previous = window.count if age < 2 * WINDOW else 0
            window.count = 0
            window.started = now - age % WINDOW
        self._windows[student] = window
        if len(self._windows) > MAX_KEPT:
            self._forget_idle()
        return window

    def _forget_idle(self) -> None:
        oldest, window = next(iter(self._windows.items()))
        if window.open:
            self._windows.move_to_end(oldest)
        else:
            del self._windows[oldest]


def _wait(window: _Window, limit: int, age: float) -> float:
    """Seconds until one more request fits into the sliding window."""
    if window.previous and limit > window.count:
        until = WINDOW - (limit - 1 - window.count) * WINDOW / window.previous - age
        if until > 0 and age + until <= WINDOW:
            return until
    if window.count < limit:
        return WINDOW - age
    return (WINDOW - age) + WINDOW * (1 - (limit - 1) / window.count)
