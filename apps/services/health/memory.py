"""What one process remembers of instances. Without I/O: for one event loop, and time is passed in."""

import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from apps.common.breaker import pause_of
from apps.common.health.memory import Judged
from apps.common.health.states import Standing, State
from apps.services.health.news import InstanceNews, InstanceRows, InstanceVerdict
from apps.services.registry import Endpoint, Entry

Reason = Literal["unreachable", "too_slow", "closed", "broken", "error"]
UNHEARD: Final = frozenset({"unreachable", "too_slow", "closed"})  # so many of these in a row are enough
CHECK_PATIENCE: Final = timedelta(seconds=60)  # in which a health check is expected to settle what a request need not
FAILURE_EVERY: Final = timedelta(seconds=10)
LONGEST_COOLING: Final = 30.0  # seconds: another caller should not wait for long because of one who was too fast


@dataclass(frozen=True, slots=True)
class InstanceTurn:
    """A request to an instance, and the turn of its health in which it was sent."""

    entry: Entry
    endpoint: Endpoint
    number: int


class Instances:
    """Judges instances by what becomes of requests, and answers what `choose` asks about them.

    A request `begins` and, whatever happens, `ended`; in between it `answered` once an answer begins, or `failed`.
    It says neither if its caller left.
    """

    def __init__(self, *, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()  # noqa: S311  # spreads trials; it need not be unpredictable
        self._of: dict[int, Judged] = {}
        self._changed: set[int] = set()
        self._failures: dict[int, tuple[str, datetime]] = {}
        self._last_failure: dict[int, datetime] = {}

    # What becomes of requests

    def begins(self, entry: Entry, endpoint: Endpoint) -> InstanceTurn:
        memory = self._memory(endpoint.id)
        memory.judge.misses, memory.judge.window = entry.breaker.misses, entry.breaker.window
        memory.began(memory.turn)
        return InstanceTurn(entry, endpoint, memory.turn)

    def ended(self, turn: InstanceTurn) -> None:
        self._of[turn.endpoint.id].ended(turn.number)

    def answered(self, turn: InstanceTurn, *, now: datetime) -> None:
        memory = self._of[turn.endpoint.id]
        if turn.number == memory.turn:
            if memory.state.is_open:
                self._become(turn.endpoint, memory, State(since=now))
            memory.judge.hit(now.timestamp())

    def failed(self, turn: InstanceTurn, reason: Reason, words: str, *, now: datetime) -> None:
        """Open the instance if that was one failure too many, or the failure of a trial."""
        memory = self._of[turn.endpoint.id]
        if turn.number != memory.turn:
            return
        if memory.state.is_open:
            is_due = memory.state.is_over(now)
        else:
            is_due = memory.judge.miss(now.timestamp(), in_a_row=reason in UNHEARD)
        if is_due:
            found = State(standing=Standing.OPEN, reason=reason, error=words[:300], since=now)
            self._become(turn.endpoint, memory, self._timed(found, memory.state.times + 1, turn.entry, now))
        else:
            self._note(turn.endpoint, words[:300], now)

    def cooled(self, turn: InstanceTurn, seconds: float, *, now: datetime) -> None:
        """It was asked too much and named a time: others are asked meanwhile, if there are any. Nobody is told."""
        memory = self._of[turn.endpoint.id]
        if turn.number == memory.turn and memory.state.standing in (Standing.WELL, Standing.COOLING):
            until = now + timedelta(seconds=min(LONGEST_COOLING, max(0.0, seconds)))
            memory.state = replace(memory.state, standing=Standing.COOLING, until=until)

    def _timed(self, found: State, times: int, entry: Entry, now: datetime) -> State:
        policy, jitter = entry.breaker, self._rng.random()
        until = now + timedelta(seconds=pause_of(times, first=policy.pause, longest=policy.longest, jitter=jitter))
        trial_at = until + CHECK_PATIENCE if entry.health.path else until
        return replace(found, until=until, trial_at=trial_at, times=times)

    def _become(self, endpoint: Endpoint, memory: Judged, state: State) -> None:
        memory.become(state)
        memory.is_news = True
        self._changed.add(endpoint.id)

    def _note(self, endpoint: Endpoint, words: str, now: datetime) -> None:
        last = self._last_failure.get(endpoint.id)
        if last is None or now - last >= FAILURE_EVERY:
            self._last_failure[endpoint.id] = now
            self._failures[endpoint.id] = words, now

    # What `choose` asks

    def state(self, endpoint: Endpoint) -> State:
        return self._of.get(endpoint.id, _NOTHING).state

    def in_flight(self, endpoint: Endpoint) -> int:
        return self._of.get(endpoint.id, _NOTHING).in_flight

    def is_on_trial(self, endpoint: Endpoint) -> bool:
        return self._of.get(endpoint.id, _NOTHING).trials > 0

    def recent(self, endpoints: Iterable[Endpoint], *, now: datetime) -> int:
        """How many requests were judged there in the last half minute."""
        return sum(self._of.get(endpoint.id, _NOTHING).judge.total(now.timestamp()) for endpoint in endpoints)

    # What is shared with other processes

    def news(self, now: datetime) -> InstanceNews:
        verdicts = []
        for id in self._changed:
            memory = self._memory(id)
            if memory.is_news:
                verdicts.append(InstanceVerdict(id, memory.version, memory.state))
                memory.is_news = False
        news = InstanceNews(tuple(verdicts), self._failures)
        self._changed, self._failures = set(), {}
        return news

    def written(self, versions: Mapping[int, int]) -> None:
        for id, version in versions.items():
            self._memory(id).written(version)

    def kept_back(self, news: InstanceNews) -> None:
        for verdict in news.verdicts:
            memory = self._memory(verdict.instance)
            if memory.version == verdict.version:
                memory.is_news = True
                self._changed.add(verdict.instance)
        self._failures = {**news.failures, **self._failures}

    def read(self, rows: InstanceRows) -> None:
        for id, (state, version) in rows.items():
            memory = self._memory(id)
            if not (memory.state.standing == Standing.COOLING and version == memory.version):
                memory.read(state, version)

    def keep(self, ids: Collection[int]) -> None:
        """Let go of the others, which were deleted, but not while they still answer."""
        for id in [id for id, memory in self._of.items() if id not in ids and not memory.in_flight]:
            del self._of[id]
            self._last_failure.pop(id, None)

    def _memory(self, id: int) -> Judged:
        memory = self._of.get(id)
        if memory is None:
            memory = self._of[id] = Judged()
        return memory


_NOTHING: Final = Judged()
