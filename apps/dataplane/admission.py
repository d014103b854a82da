"""Admission: how many calls may start at once, how long the others wait, and when refused callers are told to retry.

Starting a call (parse, screen, reserve) costs this process something. Waiting for its provider costs next to nothing
and is not counted. Only a few calls start at a time, so that the event loop stays responsive. The others wait in a
queue.

A queue that is empty now and then is a burst: every call in it gets its turn. A queue that has not been empty for a
while is overload: from then on no call waits for more than a moment, since it is better to answer many at once than all
of them too late (controlled delay, as Maurer described it for servers, after CoDel). A refusal costs little and comes
before the body is read. Load that the queue does not show, such as streams that keep the loop busy, shows as lag of the
event loop.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable

from apps.common.errors import Overloaded, Unavailable

MOST_STARTING = 32
MOST_WAITING = 2_000
PATIENCE = 1.0
SHORT_PATIENCE = 0.01
MOST_LAG = 0.5
PROBE_SECONDS = 0.1
PROBES = 5

_rng = random.Random()  # noqa: S311  # spreads the retries; it need not be unpredictable


class Pressure:
    """Judges the length and age of the queue and the lag of the loop. Pure: `now` is in seconds, of any clock."""

    def __init__(self) -> None:
        self._waiting = 0
        self._standing_since: float | None = None
        self._short_until = 0.0
        self._lags: deque[float] = deque([0.0] * PROBES, maxlen=PROBES)

    def note_waiting(self, number: int, *, now: float) -> None:
        """The queue now has this many calls."""
        self._waiting = number
        if number == 0:
            self._standing_since = None
        elif self._standing_since is None:
            self._standing_since = now

    def note_refusal(self, *, now: float) -> None:
        """A call was refused. If patience was short, it stays short until nothing has been refused for a while.

        Otherwise a queue that refusals have emptied would look like a burst, and fill up again.
        """
        if self.patience(now=now) == SHORT_PATIENCE:
            self._short_until = now + PATIENCE

    def note_lag(self, seconds: float) -> None:
        self._lags.append(seconds)

    @property
    def lag(self) -> float:
        """The least lag of the last half second, so that a hiccup does not count."""
        return min(self._lags)

    def patience(self, *, now: float) -> float:
        """The seconds that a call that comes now may wait for its turn."""
        return SHORT_PATIENCE if now < self._short_until or self._stands_for(PATIENCE, now=now) else PATIENCE

    def refuses(self, *, is_known: bool, now: float) -> bool:
        """Whether to refuse a request at once. Unknown keys are refused first, since they cost a database query."""
        if self._waiting >= MOST_WAITING or self.lag > MOST_LAG:
            return True
        return not is_known and self._stands_for(PATIENCE / 2, now=now)

    def _stands_for(self, seconds: float, *, now: float) -> bool:
        return self._standing_since is not None and now - self._standing_since > seconds


class Permit:
    """A call's permission to start. Its holder must end it as soon as the call has been reserved, or has failed."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end: Callable[[], None] | None = on_end

    def end(self) -> None:
        """Let the next call start. Safe to repeat."""
        if self._on_end is not None:
            on_end, self._on_end = self._on_end, None
            on_end()


class Admission:
    """The queue of one process, for its event loop only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._starting = 0
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        self.pressure = Pressure()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def check(self, is_known: Callable[[], bool]) -> None:
        """Refuse a request that cannot get its turn in time, before its body is read. Raises Overloaded."""
        if not self._waiting and self.pressure.lag <= MOST_LAG:
            return
        now = self._clock()
        # The oldest call has waited longer than a new one may, so a new one cannot get its turn in time.
        is_hopeless = bool(self._waiting) and now - self._waiting[0][0] > self.pressure.patience(now=now)
        if is_hopeless or self.pressure.refuses(is_known=is_known(), now=now):
            self.pressure.note_refusal(now=now)
            raise overloaded()

    async def turn(self) -> Permit:
        """Wait until the call may start. Raises Overloaded."""
        if self._starting < MOST_STARTING:
            self._starting += 1
            return Permit(self._next)
        now = self._clock()
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((now, mine))
        self.pressure.note_waiting(len(self._waiting), now=now)
        try:
            async with asyncio.timeout(self.pressure.patience(now=now)):
                await mine
        except TimeoutError:
            self._leave(mine)
            self.pressure.note_refusal(now=self._clock())
            raise overloaded() from None
        except asyncio.CancelledError:
            self._leave(mine)
            raise
        return Permit(self._next)

    def _next(self) -> None:
        """Give a slot to the call that has waited longest, or keep it free."""
        while self._waiting:
            _, first = self._waiting.popleft()
            self.pressure.note_waiting(len(self._waiting), now=self._clock())
            if not first.done():
                first.set_result(None)
                return
        self._starting -= 1

    def _leave(self, mine: "asyncio.Future[None]") -> None:
        """The call waits no more. If it had just been given a slot, pass that on to the next one."""
        if mine.done() and not mine.cancelled():
            self._next()


async def watch_lag(pressure: Pressure) -> None:
    """Measure the lag of the event loop, forever."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + PROBE_SECONDS
        await asyncio.sleep(PROBE_SECONDS)
        pressure.note_lag(max(0.0, loop.time() - due))


def overloaded() -> Overloaded:
    """Spreads the retries over one to three seconds."""
    return Overloaded(wait_ms=_rng.randint(1_000, 3_000))


def shutting_down() -> Unavailable:
    return Unavailable("shutting_down", "The gateway is restarting. Ask again in a moment.")
