"""Where rules are checked, how long that may take, and what happens if it fails.

Checks that take less time than handing them to a thread run on the event loop: seeing that nothing is found in a short
text. All others go to a few threads. A thread cannot be stopped, so one that is late keeps its place in the pool until
it is done.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from prometheus_client import Counter

from apps.common.errors import Unavailable
from apps.common.slowness import slowness
from apps.rules.engine.matcher import EngineFailed
from apps.rules.rulebook import Rulebook

logger = logging.getLogger(__name__)

T = TypeVar("T")

THREADS = 4
DEADLINE = 0.1  # seconds of processor time, for each direction of a call and each DEADLINE_BYTES
DEADLINE_BYTES = 32 * 1024
LATEST = 1.0  # seconds of processor time, at most
PATIENCE = 4.0  # seconds on the clock, including waits for a thread and for a busy machine
# Characters of ASCII that the event loop checks, which take half a millisecond. Other text takes some sixteen times as
# long, since it is folded. Each further text adds as much as 512 characters.
THREAD_ABOVE = 32_768
_FOLDED = 16
_EACH = 512
SHORT = 1_024  # bytes of an answer's events that are checked there, whatever is found in them

UNCHECKED = Counter(
    "stoa_rules_unchecked_total",
    "Prompts and answers that rules could not look at, by what was done with them.",
    ["outcome"],
)
for _outcome in ("refused", "let_pass"):
    UNCHECKED.labels(outcome=_outcome)  # shown from the start: Prometheus sees no increase in what begins at 1

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="rules")
_places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class RulesUnavailable(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "rules_unavailable", "Your course's rules cannot be checked at the moment, so nothing can be answered."
        )


def is_short(texts: Sequence[str]) -> bool:
    """Whether the event loop may check that no rule is found in these texts."""
    size = sum([len(text) * (1 if text.isascii() else _FOLDED) for text in texts])
    return (len(texts) - 1) * _EACH + size <= THREAD_ABOVE


def deadline_of(size: int) -> float:
    """The seconds that `size` bytes may take. The engine is linear in them, and so is this, up to a bound."""
    return min(LATEST, DEADLINE * max(1.0, size / DEADLINE_BYTES))


async def run(work: Callable[[], T], *, book: Rulebook, call: str, size: int = 0) -> T | None:
    """The result of work on `size` bytes in a thread. None if it failed and the course prefers going unchecked.

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
    """Do the work in a thread. Raises TimeoutError; then the thread works on, and its outcome is lost.

    The deadline counts the thread's own processor time, not what it waits for on a busy machine.
    """
    loop = asyncio.get_running_loop()
    places = _places.setdefault(loop, asyncio.Semaphore(THREADS))
    async with asyncio.timeout(PATIENCE) as patience:
        await places.acquire()
        clock = _Clock()
        future = loop.run_in_executor(_threads, clock.timed, work)
        future.add_done_callback(partial(_ended, places))
        try:
            if deadline is None:
                patience.reschedule(None)
                return await asyncio.shield(future)
            while not future.done() and (left := deadline - clock.spent()) > 0:
                await asyncio.wait((future,), timeout=left)
            if not future.done():
                raise TimeoutError
            return future.result()
        finally:
            slowness.rules(clock.took or clock.spent())
            del future  # its error has this frame in its traceback, and would keep the text in memory


def _ended(places: asyncio.Semaphore, done: asyncio.Future[Any]) -> None:
    places.release()
    if not done.cancelled():
        done.exception()  # retrieved here, since nobody may be waiting for it


class _Clock:
    """Measures the processor time of the thread that does some work."""

    _id: int | None = None
    _start = 0.0
    took = 0.0  # once it is done

    def timed(self, work: Callable[[], T]) -> T:
        clock = time.pthread_getcpuclockid(threading.get_ident())
        self._start = time.clock_gettime(clock)
        self._id = clock
        try:
            return work()
        finally:
            self.took = self.spent()

    def spent(self) -> float:
        return time.clock_gettime(self._id) - self._start if self._id is not None else 0.0


def refused() -> RulesUnavailable:
    UNCHECKED.labels(outcome="refused").inc()
    return RulesUnavailable()


def let_pass(call: str, error: Exception) -> None:
    """Log and count that something goes on unchecked, as its course wishes."""
    logger.error("Call %s goes on unchecked, as its course wishes: %s", call, str(error) or "it took too long")
    UNCHECKED.labels(outcome="let_pass").inc()
