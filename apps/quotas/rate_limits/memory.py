"""Limits counted in this process: exact, and a few microseconds a request."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from apps.quotas.rate_limits.requests import WINDOW, Count, Rate, Scope, judge
from apps.quotas.rate_limits.token_log import TokenLog
from apps.quotas.rate_limits.tokens import TokenRate, TokenScope, check_size, judge_tokens, room_before


class _Log:
    """The admitted requests of one scope: when, in the last minute, how many are open, and their tokens."""

    __slots__ = ("instants", "open", "tokens")

    def __init__(self) -> None:
        self.instants: deque[int] = deque()
        self.open = 0
        self.tokens = TokenLog()

    def forget(self, until: int) -> None:
        while self.instants and self.instants[0] <= until:
            self.instants.popleft()
        self.tokens.forget(until)

    def count(self, scope: Scope) -> Count:
        if scope.per_minute is None or not self.instants:
            return Count(0, 0, 0, self.open)
        used = len(self.instants)
        due = self.instants[used - scope.per_minute] if used >= scope.per_minute else 0
        return Count(used, due, self.instants[-1], self.open)


class MemoryRateLimits:
    """The limits of this process alone: of one in `processes`, it allows that part. `clock` gives microseconds."""

    def __init__(self, *, processes: int = 1, clock: Callable[[], int] = lambda: time.monotonic_ns() // 1000) -> None:
        self._processes = processes
        self._clock = clock
        self._logs: OrderedDict[tuple[str, int], _Log] = OrderedDict()  # the one that was looked at last comes last
        self._open: dict[str, Sequence[Scope]] = {}

    def __len__(self) -> int:
        """How many scopes it knows."""
        return len(self._logs)

    @property
    def open(self) -> Mapping[str, Sequence[Scope]]:
        """The scopes of each request that has been admitted and not been released."""
        return self._open

    async def admit(self, scopes: Sequence[Scope], *, id: str) -> Rate | None:
        return self.admit_part(scopes, id=id, processes=self._processes)

    def admit_part(self, scopes: Sequence[Scope], *, id: str, processes: int) -> Rate | None:
        """Admit to one of so many parts of each limit. Raises RateLimited."""
        if not scopes:
            return None
        if processes > 1:
            scopes = [scope.shared_by(processes) for scope in scopes]
        now = self._clock()
        logs = [self._log(scope, now) for scope in scopes]
        rate = judge(scopes, [log.count(scope) for log, scope in zip(logs, scopes, strict=True)], now=now)
        self._add(scopes, logs, id, now)
        return rate

    def record(self, scopes: Sequence[Scope], *, id: str) -> None:
        """Count a request that was admitted elsewhere."""
        now = self._clock()
        self._add(scopes, [self._log(scope, now) for scope in scopes], id, now)

    def release(self, id: str) -> None:
        for scope in self._open.pop(id, ()):
            self._logs[scope[:2]].open -= 1

    async def take(self, scopes: Sequence[TokenScope], *, id: str, amount: int) -> TokenRate | None:
        if not scopes:
            return None
        check_size(scopes, amount=amount)
        return self.take_part(scopes, id=id, amount=amount, processes=self._processes)

    def take_part(self, scopes: Sequence[TokenScope], *, id: str, amount: int, processes: int) -> TokenRate:
        """Count tokens as one of so many processes, which has its part of each limit. Raises TokensLimited."""
        now = self._clock()
        logs = [self._log(scope, now) for scope in scopes]
        counts = []
        for scope, log in zip(scopes, logs, strict=True):
            log.tokens.drop(id)
            counts.append(log.tokens.count(room=room_before(scope, amount=amount, processes=processes)))
        rate = judge_tokens(scopes, counts, amount=amount, now=now, processes=processes)
        self._add_tokens(scopes, logs, id, amount, now)
        return rate

    def record_tokens(self, scopes: Sequence[TokenScope], *, id: str, amount: int) -> None:
        """Count tokens that were taken elsewhere."""
        now = self._clock()
        self._add_tokens(scopes, [self._log(scope, now) for scope in scopes], id, amount, now)

    def taken(self, scope: TokenScope, *, id: str) -> int:
        """What a call counts with, as far as that is known of a single one."""
        log = self._logs.get(scope[:2])
        return log.tokens.amount_of(id) if log is not None else 0

    def correct(self, scopes: Sequence[TokenScope], *, id: str, amount: int) -> None:
        for scope in scopes:
            if (log := self._logs.get(scope[:2])) is not None:
                log.tokens.correct(id, amount)

    async def close(self) -> None:
        """Nothing to close: the counts end with the process."""

    def _log(self, scope: Scope | TokenScope, now: int) -> _Log:
        """The scope's log without what has left the window. It is kept once something is added to it."""
        log = self._logs.get(scope[:2])
        if log is None:
            return _Log()
        log.forget(now - WINDOW)
        return log

    def _add(self, scopes: Sequence[Scope], logs: Sequence[_Log], id: str, now: int) -> None:
        self._open[id] = scopes
        for scope, log in zip(scopes, logs, strict=True):
            self._remember(scope[:2], log, now)
            log.open += 1
            if scope.per_minute is not None:
                log.instants.append(now)

    def _add_tokens(self, scopes: Sequence[TokenScope], logs: Sequence[_Log], id: str, amount: int, now: int) -> None:
        for scope, log in zip(scopes, logs, strict=True):
            self._remember(scope[:2], log, now)
            log.tokens.drop(id)
            log.tokens.add(id, amount, at=now)

    def _remember(self, name: tuple[str, int], log: _Log, now: int) -> None:
        if name in self._logs:
            self._logs.move_to_end(name)
        else:
            self._forget_idle(now)
            self._logs[name] = log

    def _forget_idle(self, now: int) -> None:
        """Drop logs that hold nothing any more: up to two for each that is added, so they cannot pile up."""
        for name in list(islice(self._logs, 2)):
            log = self._logs[name]
            log.forget(now - WINDOW)
            if log.open:
                self._logs.move_to_end(name)
            elif not log.instants and not log.tokens:
                del self._logs[name]
