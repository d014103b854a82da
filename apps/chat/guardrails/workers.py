"""Looking: where the work of rules is done, how long it may take, and what happens if it fails.

What takes less time than handing it to a thread is done on the loop: to see that nothing is found in a short text. All
else goes to a few threads, whose number is bounded, as a thread cannot be stopped: one that is late keeps its place
until it is done.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from weakref import WeakKeyDictionary

from prometheus_client import Counter

from apps.common.errors import Unavailable
from apps.rules.engine.matcher import EngineFailed
from apps.rules.rulebook import Rulebook

logger = logging.getLogger(__name__)

T = TypeVar("T")

THREADS = 4
DEADLINE = 0.1  # seconds of work, for each direction of a call, and for each of so many bytes
DEADLINE_BYTES = 32 * 1024
LATEST = 1.0  # seconds of work, however much there is to look at
PATIENCE = 2.0  # seconds that work may wait: for a thread, and as long again for the machine
# What is glanced at on the loop, in characters of ASCII, of which so many take half a millisecond. Any other text takes
# some sixteen times as long, since it is folded; each further text adds as much as 512 characters, 24 for each rule.
THREAD_ABOVE = 32_768
_FOLDED = 16
_EACH = 512
_EACH_RULE = 24
SHORT = 1_024  # bytes of an answer's events that are worked on there, whatever is found in them

UNCHECKED = Counter(
    "stoa_rules_unchecked_total",
    "Prompts and answers that rules could not look at, by what was done with them.",
    ["outcome"],
)

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="rules")
_places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class RulesUnavailable(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "rules_unavailable", "Your course's rules cannot be checked at the moment, so nothing can be answered."
        )


def is_short(texts: Sequence[str], *, rules: int) -> bool:
    """Whether it can be seen on the loop that none of so many rules is found in these."""
    more = (len(texts) - 1) * (_EACH + _EACH_RULE * rules)
    return more + sum(len(text) * (1 if text.isascii() else _FOLDED) for text in texts) <= THREAD_ABOVE


def deadline_of(size: int) -> float:
    """How long so many bytes may take: the engine is linear in them, and so is what is allowed, up to a bound."""
    return min(LATEST, DEADLINE * max(1.0, size / DEADLINE_BYTES))


async def run(work: Callable[[], T], *, book: Rulebook, call: str, size: int = 0) -> T | None:
    """The outcome of work on so many bytes in a thread; None if it failed and the course would rather go unchecked.

    Raises RulesUnavailable if the engine fails or the work takes too long.
    """
    try:
        return await in_thread(work, deadline=deadline_of(size))
    except (EngineFailed, TimeoutError) as error:
        if not book.lets_pass:
            raise refused() from error
        let_pass(call, error)
        return None


async def in_thread(work: Callable[[], T], *, deadline: float | None = DEADLINE) -> T:
    """Raises TimeoutError; the thread then works on, and nobody hears of the outcome."""
    loop = asyncio.get_running_loop()
    places = _places.setdefault(loop, asyncio.Semaphore(THREADS))
    async with asyncio.timeout(PATIENCE):
        await places.acquire()
    effort = _Effort()
    future = loop.run_in_executor(_threads, effort.spent_on, work)

    def end(done: asyncio.Future[T]) -> None:
        places.release()
        if not done.cancelled():
            done.exception()  # nobody may be waiting for it any more

    future.add_done_callback(end)
    async with asyncio.timeout(None if deadline is None else PATIENCE):
        while deadline is not None and not future.done() and (left := deadline - effort.so_far()) > 0:
            await asyncio.wait((future,), timeout=left)
        if deadline is not None and not future.done():
            raise TimeoutError
        return await asyncio.shield(future)


class _Effort:
    """How long a thread has worked on something, by its own clock: on a busy machine it also waits for its turn."""

    def __init__(self) -> None:
        self._clock: int | None = None
        self._begun = 0.0

    def spent_on(self, work: Callable[[], T]) -> T:
        clock = time.pthread_getcpuclockid(threading.get_ident())
        self._begun = time.clock_gettime(clock)
        self._clock = clock
        return work()

    def so_far(self) -> float:
        return time.clock_gettime(self._clock) - self._begun if self._clock is not None else 0.0


def refused() -> RulesUnavailable:
    UNCHECKED.labels(outcome="refused").inc()
    return RulesUnavailable()


def let_pass(call: str, error: Exception) -> None:
    """Say that something goes on unchecked, as its course wishes."""
    logger.error("Call %s goes on unchecked, as its course wishes: %s", call, str(error) or "it took too long")
    UNCHECKED.labels(outcome="let_pass").inc()
