"""How late an event loop like the server's is while a thread works: each tick asks to be woken after a millisecond.

On a busy machine most of it is the machine's doing. So of each tick it is also told how much the thread can be blamed
for: no more than the time that it was computing meanwhile.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import uvloop

from gateway_project.processes.web import SWITCH_SECONDS

TICK = 0.001
_AROUND = 5  # ticks


@dataclass(frozen=True, slots=True)
class Tick:
    """In milliseconds."""

    late: float
    blamed: float


@dataclass(frozen=True, slots=True)
class Lateness:
    """Of so many runs, each with its ticks."""

    runs: Sequence[Sequence[Tick]]

    def __str__(self) -> str:
        ticks = [tick for run in self.runs for tick in run]
        late = _summary([tick.late for tick in ticks])
        return f"late {late}; by the thread {_summary([tick.blamed for tick in ticks])}; {len(self.runs)} runs"


def _summary(times: list[float]) -> str:
    times.sort()
    p50, p99 = (times[int(len(times) * share)] for share in (0.5, 0.99))
    return f"p50 {p50:4.2f} p99 {p99:5.2f} worst {times[-1]:5.2f} ms"


def lateness(work: Callable[[], object], *, prepare: Callable[[], object] = lambda: None, runs: int = 10) -> Lateness:
    """Of a loop while a thread does the work, so many times, each prepared for."""
    sys.setswitchinterval(SWITCH_SECONDS)
    ticks = []
    for _ in range(runs):
        prepare()
        ticks.append(uvloop.run(_ticks(_Work(work))))
    return Lateness(ticks)


class _Work:
    """Work for a thread, and how much it has computed."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._clock: int | None = None
        self._spent = 0.0

    def __call__(self) -> None:
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        self._work()
        self._spent = time.thread_time()

    def spent(self) -> float:
        """In seconds."""
        return self._spent or (time.clock_gettime(self._clock) if self._clock is not None else 0.0)


async def _ticks(work: _Work) -> list[Tick]:
    for _ in range(_AROUND):
        await _tick(work)  # a loop that has just begun is late by itself
    ticks = []
    working = asyncio.ensure_future(asyncio.to_thread(work))
    while not working.done():
        ticks.append(await _tick(work))
    for _ in range(_AROUND):
        ticks.append(await _tick(work))  # what the thread leaves behind may be cleared away later
    await working
    return ticks


async def _tick(work: _Work) -> Tick:
    asked, spent = time.perf_counter(), work.spent()
    await asyncio.sleep(TICK)
    late = max(0.0, time.perf_counter() - asked - TICK)
    return Tick(late * 1e3, min(late, work.spent() - spent) * 1e3)
