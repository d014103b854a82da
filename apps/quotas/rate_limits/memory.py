"""Rate limits counted in this process: exact, and a few microseconds per request."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from apps.quotas.rate_limits.each import judge_each
from apps.quotas.rate_limits.judge import judge
from apps.quotas.rate_limits.limits import WINDOW, Rate, Scope
from apps.quotas.rate_limits.log import Log

T = TypeVar("T")


class MemoryRateLimits:
    """The rate limits of one process out of `processes`. `clock` gives microseconds."""

    def __init__(self, *, processes: int = 1, clock: Callable[[], int] = lambda: time.monotonic_ns() // 1000) -> None:
        self._processes = processes
        self._clock = clock
        self._logs: OrderedDict[tuple[str, int | str, str], Log] = OrderedDict()  # the one added to last comes last
        self._open: dict[str, Sequence[Scope]] = {}

    def __len__(self) -> int:
        """The number of known scopes."""
        return len(self._logs)

    @property
    def open(self) -> Mapping[str, Sequence[Scope]]:
        """The scopes of each request that was admitted and not released."""
        return self._open

    async def admit(self, scopes: Sequence[Scope], *, id: str, amount: int = 1) -> Rate | None:
        if not scopes:
            return None
        return self.admit_part(scopes, id=id, amount=amount, processes=self._processes, judged=judge)

    async def admit_each(self, scopes: Sequence[Scope], *, id: str) -> Sequence[Rate]:
        return self.admit_part(scopes, id=id, amount=1, processes=self._processes, judged=judge_each) if scopes else ()

    def admit_part(
        self, scopes: Sequence[Scope], *, id: str, amount: int, processes: int, judged: Callable[..., T]
    ) -> T:
        """Admit with one process's share of each limit, as `judged` by their counts."""
        if processes > 1:
            scopes = [scope.shared_by(processes) for scope in scopes]
        now = self._clock()
        logs = [self._log(scope, now) for scope in scopes]
        counts = [log.count(scope.per_minute, amount) for scope, log in zip(scopes, logs, strict=True)]
        rate = judged(scopes, counts, now=now, amount=amount)
        self._add(scopes, logs, id, amount, now)
        return rate

    def record(self, scopes: Sequence[Scope], *, id: str, amount: int) -> None:
        """Count what was admitted elsewhere."""
        now = self._clock()
        self._add(scopes, [self._log(scope, now) for scope in scopes], id, amount, now)

    def amount_of(self, scopes: Sequence[Scope], *, id: str) -> int:
        """The amount of an id; 0 if the id is unknown or was merged with others."""
        logs = [self._logs[scope[:3]] for scope in scopes if scope[:3] in self._logs]
        return max((log.amount_of(id) for log in logs), default=0)

    async def correct(self, scopes: Sequence[Scope], *, id: str, amount: int) -> None:
        for scope in scopes:
            if (log := self._logs.get(scope[:3])) is not None:
                log.correct(id, amount)

    def release(self, id: str) -> None:
        for scope in self._open.pop(id, ()):
            self._logs[scope[:3]].open -= 1

    async def close(self) -> None:
        """Nothing to close: the counts end with the process."""

    def _log(self, scope: Scope, now: int) -> Log:
        """The scope's log without what has left the window. A new log is kept only once something is added to it."""
        log = self._logs.get(scope[:3])
        if log is None:
            return Log()
        log.forget(now - scope.window)
        return log

    def _add(self, scopes: Sequence[Scope], logs: Sequence[Log], id: str, amount: int, now: int) -> None:
        if is_request := scopes[0].unit == "requests":
            self._open[id] = scopes
        for scope, log in zip(scopes, logs, strict=True):
            self._remember(scope[:3], log, now)
            log.open += is_request
            if scope.per_minute is not None:
                log.add(id, amount, now)

    def _remember(self, name: tuple[str, int | str, str], log: Log, now: int) -> None:
        if name in self._logs:
            self._logs.move_to_end(name)
        else:
            self._forget_idle(now)
            self._logs[name] = log

    def _forget_idle(self, now: int) -> None:
        """Drop empty logs: up to two for each new one, so they cannot pile up."""
        for name in list(islice(self._logs, 2)):
            log = self._logs[name]
            log.forget(now - WINDOW)
            if log.open:
                self._logs.move_to_end(name)
            elif not log:
                del self._logs[name]
