"""Admission: how many calls may be starting at once, how long the others wait, and when they are told to come back.

To start a call (parse, screen, reserve) costs this process something; to wait for its provider costs next to nothing,
and is not counted. Only a few start at a time, so the event loop stays quick for everybody; the rest wait in a queue.

A queue that is empty now and then is a burst: everyone in it is patient and gets an answer. One that has not been empty
for a while is overload: from then on nobody waits for more than a moment, since it is better to answer many at once
than all of them too late (controlled delay, as Maurer described it for servers, after CoDel). A refusal costs little
and comes before the body is read. What cannot be seen from here, such as streams that keep the loop busy, shows as its
lag.
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

_rng = random.Random()  # noqa: S311  # spreads the returns; nothing depends on its being unpredictable


class Pressure:
    """What a queue's length, its age and the loop's lag mean. Pure: it is told the time, in seconds of any clock."""

    def __init__(self) -> None:
        self._waiting = 0
        self._standing_since: float | None = None
        self._short_until = 0.0
        self._lags: deque[float] = deque([0.0] * PROBES, maxlen=PROBES)

    def note_waiting(self, number: int, *, now: float) -> None:
        """The queue has this many calls in it from now on."""
        self._waiting = number
        if number == 0:
            self._standing_since = None
        elif self._standing_since is None:
            self._standing_since = now

    def note_refusal(self, *, now: float) -> None:
        """Somebody was told to come back. If patience was short, it stays so until nobody is for a while.

        Otherwise a queue that is emptied by refusals would be taken for a burst, and fill up again.
        """
        if self.patience(now=now) == SHORT_PATIENCE:
            self._short_until = now + PATIENCE

    def note_lag(self, seconds: float) -> None:
        self._lags.append(seconds)

    @property
    def lag(self) -> float:
        """The lag that was there all the time: the least of the last half second. A hiccup is not in it."""
        return min(self._lags)

    def patience(self, *, now: float) -> float:
        """How long a call that comes now may wait for its turn."""
        return SHORT_PATIENCE if now < self._short_until or self._stands_for(PATIENCE, now=now) else PATIENCE

    def refuses(self, *, is_known: bool, now: float) -> bool:
        """Whether a request is better refused at once. Strangers go first: their key costs the database a question."""
        if self._waiting >= MOST_WAITING or self.lag > MOST_LAG:
            return True
        return not is_known and self._stands_for(PATIENCE / 2, now=now)

    def _stands_for(self, seconds: float, *, now: float) -> bool:
        return self._standing_since is not None and now - self._standing_since > seconds


class Permit:
    """A call's permission to start. Whoever has it ends it as soon as the call has been reserved, or has failed."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end: Callable[[], None] | None = on_end

    def end(self) -> None:
        """Let the next one start. Harmless when repeated."""
        if self._on_end is not None:
            on_end, self._on_end = self._on_end, None
            on_end()


class Admission:
    """The queue of one process, for its event loop alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._starting = 0
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        self.pressure = Pressure()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def check(self, is_known: Callable[[], bool]) -> None:
        """Refuse what has no prospect, before anything of it is read. Raises Overloaded."""
        if not self._waiting and self.pressure.lag <= MOST_LAG:
            return
        now = self._clock()
        # The oldest has waited for longer than whoever comes now may: nobody's turn will come in time.
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
        """Hand a place on to the one who has waited longest, or keep it free."""
        while self._waiting:
            _, first = self._waiting.popleft()
            self.pressure.note_waiting(len(self._waiting), now=self._clock())
            if not first.done():
                first.set_result(None)
                return
        self._starting -= 1

    def _leave(self, mine: "asyncio.Future[None]") -> None:
        """Nobody waits for it any more; a place that had just been handed to it goes on to the next."""
        if mine.done() and not mine.cancelled():
            self._next()


async def watch_lag(pressure: Pressure) -> None:
    """Measure again and again by how much the loop is late."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + PROBE_SECONDS
        await asyncio.sleep(PROBE_SECONDS)
        pressure.note_lag(max(0.0, loop.time() - due))


def overloaded() -> Overloaded:
    """Come back in one to three seconds, not all at once."""
    return Overloaded(wait_ms=_rng.randint(1_000, 3_000))


def shutting_down() -> Unavailable:
    return Unavailable("shutting_down", "The gateway is restarting. Ask again in a moment.")
