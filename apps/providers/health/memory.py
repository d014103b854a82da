"""What one process remembers of failures. Without I/O: for one event loop, and time is passed in."""

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from apps.common.breaker import Judge, Window, pause_of
from apps.providers.adapters.protocol import UpstreamBroken
from apps.providers.catalogue import Secret, Target
from apps.providers.failures import UpstreamRefused
from apps.providers.health.states import WELL, Standing, State, in_words
from apps.providers.routing import Candidate

LONGEST: Final = 300.0
COOL_SECONDS: Final = 10.0  # if the provider names no time
UNHEARD: Final = frozenset({"unreachable", "too_slow"})  # five in a row of these are enough
AT_ONCE: Final = frozenset({"missing", "credential", "billing"})  # one of these is enough
NO_FAULT: Final = frozenset({"request", "too_long", "too_large", "added", "busy"})  # not the provider's


@dataclass(slots=True)
class _Memory:
    """`turn` counts the changes of the state: the end of a call that was planned before the last one is no news."""

    state: State = WELL
    turn: int = 0

    def become(self, state: State) -> None:
        self.state = state
        self.turn += 1


@dataclass(slots=True)
class _OfDeployment(_Memory):
    judge: Judge = field(default_factory=lambda: Judge(misses=5, window=Window()))
    in_flight: int = 0
    trials: int = 0  # calls in flight that were planned in this state

    def become(self, state: State) -> None:
        _Memory.become(self, state)
        self.trials = 0
        self.judge.clear()


class Health:
    """Judges deployments and credentials by what becomes of calls, and answers what `plan` asks about them.

    A caller says `began` and, whatever happens, `ended`; in between `answered` once an answer begins, and `failed`.
    It says neither of a call whose client left.
    """

    def __init__(self, *, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()  # noqa: S311  # spreads trials; it need not be unpredictable
        self._deployments: dict[int, _OfDeployment] = {}
        self._credentials: dict[int, _Memory] = {}

    # What becomes of calls

    def began(self, candidate: Candidate) -> None:
        memory = self._deployment(candidate.target)
        memory.in_flight += 1
        memory.trials += candidate.turns[0] == memory.turn

    def ended(self, candidate: Candidate) -> None:
        memory = self._deployment(candidate.target)
        memory.in_flight -= 1
        memory.trials -= candidate.turns[0] == memory.turn

    def answered(self, candidate: Candidate, *, now: datetime) -> None:
        memory = self._deployment(candidate.target)
        if candidate.turns[0] == memory.turn:
            if memory.state.is_open:
                memory.become(State(since=now))
            memory.judge.hit(now.timestamp())
        if candidate.secret is not None:
            credential = self._credential(candidate.secret)
            if credential.state.standing == Standing.OUT and candidate.turns[1] == credential.turn:
                credential.become(State(since=now))

    def failed(self, candidate: Candidate, failure: UpstreamRefused | UpstreamBroken, *, now: datetime) -> None:
        refused = failure if isinstance(failure, UpstreamRefused) else UpstreamRefused("broken", detail=str(failure))
        if refused.reason in NO_FAULT:
            return
        words = in_words(refused.reason, refused.detail, secret=candidate.secret.text if candidate.secret else "")
        found = State(reason=refused.reason, error=words, since=now)
        if refused.reason == "rate":
            self._cool(candidate, found, refused.retry_after, now)
        elif refused.reason in ("credential", "billing") and candidate.secret is not None:
            self._put_out(candidate, candidate.secret, found)
        else:
            self._count(candidate, found, now)

    def _cool(self, candidate: Candidate, found: State, seconds: float | None, now: datetime) -> None:
        """Leave the credential alone until the provider wants to hear of it again; without one, the deployment."""
        memory: _Memory = self._deployment(candidate.target)
        turn = candidate.turns[0]
        if candidate.secret is not None:
            memory, turn = self._credential(candidate.secret), candidate.turns[1]
        if turn == memory.turn:
            wait = min(LONGEST, COOL_SECONDS if seconds is None else max(seconds, 0.0))
            until = now + timedelta(seconds=wait * (1 + self._rng.random() / 10))
            memory.become(replace(found, standing=Standing.COOLING, until=until))

    def _put_out(self, candidate: Candidate, secret: Secret, found: State) -> None:
        """Do not use the credential before an operator puts it back, or an answer proves that it is accepted."""
        memory = self._credential(secret)
        if candidate.turns[1] == memory.turn:
            memory.become(replace(found, standing=Standing.OUT))

    def _count(self, candidate: Candidate, found: State, now: datetime) -> None:
        """Open the deployment if that was one failure too many, or the failure of a trial."""
        memory = self._deployment(candidate.target)
        if candidate.turns[0] != memory.turn:
            return
        if memory.state.is_open:
            is_due = memory.state.is_over(now)
        else:
            is_due = memory.judge.miss(now.timestamp(), in_a_row=found.reason in UNHEARD) or found.reason in AT_ONCE
        if is_due:
            times = memory.state.times + 1
            until = now + timedelta(seconds=pause_of(times, longest=LONGEST, jitter=self._rng.random()))
            memory.become(replace(found, standing=Standing.OPEN, until=until, times=times))

    # What `plan` asks

    def turns(self, target: Target, secret: Secret | None) -> tuple[int, int]:
        credential = self._credentials.get(secret.id, _NOTHING) if secret is not None else _NOTHING
        return self._deployments.get(target.deployment_id, _NOTHING).turn, credential.turn

    def admits(self, target: Target, now: datetime) -> bool:
        """Whether a call may go there now: one at a time, where it is a trial."""
        memory = self._deployments.get(target.deployment_id)
        if memory is None or memory.state.standing == Standing.WELL or target.force == "closed":
            return True
        return memory.state.is_over(now) and not (memory.state.is_open and memory.trials)

    def accepts(self, secret: Secret, now: datetime) -> bool:
        state = self.credential(secret)
        return state.standing != Standing.OUT and not state.is_cooling(now)

    def in_flight(self, target: Target) -> int:
        memory = self._deployments.get(target.deployment_id)
        return memory.in_flight if memory is not None else 0

    def deployment(self, target: Target) -> State:
        return self._deployments.get(target.deployment_id, _NOTHING).state

    def credential(self, secret: Secret) -> State:
        return self._credentials.get(secret.id, _NOTHING).state

    def _deployment(self, target: Target) -> _OfDeployment:
        return self._deployments.setdefault(target.deployment_id, _OfDeployment())

    def _credential(self, secret: Secret) -> _Memory:
        return self._credentials.setdefault(secret.id, _Memory())


_NOTHING: Final = _Memory()
