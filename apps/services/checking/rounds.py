"""Rounds of health checks. Each instance is checked in its own time: one that hangs keeps no other waiting."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db import OperationalError

from apps.common import jobs
from apps.common.outages import database_outage
from apps.common.owners import only_one
from apps.services.checking.asking import CheckedInstance, CheckFinding, check
from apps.services.checking.findings import checked, keep

ROUND_SECONDS = 20.0  # after which a round ends as soon as no check is under way
BEAT_SECONDS = 1.0  # between two rounds
TICK_SECONDS = 0.1
AT_ONCE = 32
_EVER = datetime.min.replace(tzinfo=UTC)  # since when one waits that was never checked
_rng = random.Random()  # noqa: S311  # spreads checks; it need not be unpredictable


def look(*, owners: Path, clock: Callable[[], datetime]) -> int:
    """What a worker does every second: a round, if none is running here. Returns how many checks it made.

    A database outage is logged once, and not raised.
    """
    try:
        with only_one(owners / "checks.place") as alone:
            made = _round(clock) if alone else 0
    except OperationalError as error:
        database_outage.began(error)
        return 0
    database_outage.ended()
    return made


def _round(clock: Callable[[], datetime]) -> int:
    """Check who is due, for as long as a check is under way or anybody is due before the next round.

    Who has waited longest comes first. The loop stands still while rows are read and written. A worker that stops
    waits for no check.
    """
    running, made, ends_at = _ChecksUnderWay(), 0, clock() + timedelta(seconds=ROUND_SECONDS)
    with asyncio.Runner() as runner:
        while not jobs.stopping.is_set():
            now, known = clock(), checked()
            waiting = {id: at or _EVER for id, (_, at) in known.items() if id not in running.tasks}
            for id in sorted((id for id in waiting if waiting[id] <= now), key=waiting.__getitem__)[: running.room]:
                running.begin(known[id][0], now, runner)
                made += 1
            soon = now + timedelta(seconds=BEAT_SECONDS)
            if not running.tasks and (now >= ends_at or not any(at < soon for at in waiting.values())):
                return made
            for instance, found, at in runner.run(running.wait()):
                keep(instance, found, at=at, next_at=_next(instance, at))
    return made


def _next(instance: CheckedInstance, at: datetime) -> datetime:
    """A tenth earlier or later, so that checks spread."""
    return at + timedelta(seconds=instance.policy.interval * _rng.uniform(0.9, 1.1))


@dataclass(slots=True)
class _ChecksUnderWay:
    """The checks under way, and when each began."""

    tasks: dict[int, tuple[CheckedInstance, datetime, asyncio.Task[CheckFinding]]] = field(default_factory=dict)

    @property
    def room(self) -> int:
        return AT_ONCE - len(self.tasks)

    def begin(self, instance: CheckedInstance, now: datetime, runner: asyncio.Runner) -> None:
        self.tasks[instance.id] = instance, now, runner.get_loop().create_task(check(instance))

    async def wait(self) -> list[tuple[CheckedInstance, CheckFinding, datetime]]:
        """Those that ended within a tick."""
        if self.tasks:
            await asyncio.wait([task for _, _, task in self.tasks.values()], timeout=TICK_SECONDS)
        else:
            await asyncio.sleep(TICK_SECONDS)
        ended = [id for id, (_, _, task) in self.tasks.items() if task.done()]
        return [(instance, task.result(), at) for instance, at, task in map(self.tasks.pop, ended)]
