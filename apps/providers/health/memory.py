"""What one process remembers of failures. Without I/O: for one event loop, and time is passed in."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from apps.common.breaker import pause_of
from apps.common.health.memory import Judged, Remembered
from apps.common.health.states import Standing, State
from apps.providers.adapters.protocol import UpstreamBroken
from apps.providers.catalogue import Secret, Target
from apps.providers.failures import UpstreamRefused
from apps.providers.health.news import Judgement, Key, News, Rows, Unwritten
from apps.providers.health.words import in_words
from apps.providers.routing import Candidate

LONGEST: Final = 300.0
CHECK_PATIENCE: Final = timedelta(seconds=60)  # in which a health check is expected to settle what a call need not try
COOL_SECONDS: Final = 10.0  # if the provider names no time
UNHEARD: Final = frozenset({"unreachable", "too_slow"})  # five in a row of these are enough
AT_ONCE: Final = frozenset({"missing", "credential", "billing"})  # one of these is enough
NO_FAULT: Final = frozenset({"request", "too_long", "too_large", "added", "busy", "full"})  # not the provider's


@dataclass(slots=True)
class _OfDeployment(Judged):
    not_understood: frozenset[str] = frozenset()


class Health:
    """Judges deployments and credentials by what becomes of calls, and answers what `plan` asks about them.

    A caller says `began` and, whatever happens, `ended`; in between `answered` once an answer begins, and `failed`.
    It says neither of a call whose client left.
    """

    def __init__(self, *, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()  # noqa: S311  # spreads trials; it need not be unpredictable
        self._deployments: dict[int, _OfDeployment] = {}
        self._credentials: dict[int, Remembered] = {}
        self._news = Unwritten()

    # What becomes of calls

    def began(self, candidate: Candidate) -> None:
        memory = self._deployment(candidate.target)
        memory.began(candidate.turns[0])
        if candidate.secret is not None:
            self._news.uses.add(candidate.secret.id)

    def ended(self, candidate: Candidate) -> None:
        self._deployments[candidate.target.deployment_id].ended(candidate.turns[0])

    def answered(self, candidate: Candidate, *, now: datetime) -> None:
        memory = self._deployments[candidate.target.deployment_id]
        if candidate.turns[0] == memory.turn:
            if memory.state.is_open:
                self._judge(_key(candidate.target), memory, State(since=now))
            memory.judge.hit(now.timestamp())
        if candidate.secret is not None:
            credential = self._credentials.get(candidate.secret.id, _NOTHING)
            if credential.state.standing == Standing.OUT and candidate.turns[1] == credential.turn:
                self._judge(("credential", candidate.secret.id), credential, State(since=now))

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
        key = _key(candidate.target)
        memory: Remembered = self._deployment(candidate.target)
        turn = candidate.turns[0]
        if candidate.secret is not None:
            key, memory, turn = (
                ("credential", candidate.secret.id),
                self._credential(candidate.secret),
                candidate.turns[1],
            )
        if turn == memory.turn:
            wait = min(LONGEST, COOL_SECONDS if seconds is None else max(seconds, 0.0))
            until = now + timedelta(seconds=wait * (1 + self._rng.random() / 10))
            self._judge(key, memory, replace(found, standing=Standing.COOLING, until=until))

    def _put_out(self, candidate: Candidate, secret: Secret, found: State) -> None:
        """Do not use the credential before an operator puts it back, or an answer proves that it is accepted."""
        memory = self._credential(secret)
        if candidate.turns[1] == memory.turn:
            self._judge(("credential", secret.id), memory, replace(found, standing=Standing.OUT))

    def _count(self, candidate: Candidate, found: State, now: datetime) -> None:
        """Open the deployment if that was one failure too many, or the failure of a trial."""
        memory, key = self._deployment(candidate.target), _key(candidate.target)
        if candidate.turns[0] != memory.turn:
            return
        if memory.state.is_open:
            is_due = memory.state.is_over(now)
        else:
            is_due = memory.judge.miss(now.timestamp(), in_a_row=found.reason in UNHEARD) or found.reason in AT_ONCE
        if is_due:
            self._judge(key, memory, self._opened(found, memory.state.times + 1, candidate.target, now))
        else:
            self._news.note_failure(key, found.error, now)

    def _opened(self, found: State, times: int, target: Target, now: datetime) -> State:
        until = now + timedelta(seconds=pause_of(times, longest=LONGEST, jitter=self._rng.random()))
        trial_at = until if target.probe_url is None else until + CHECK_PATIENCE
        return replace(found, standing=Standing.OPEN, until=until, trial_at=trial_at, times=times)

    def _judge(self, key: Key, memory: Remembered, state: State) -> None:
        memory.become(state)
        memory.is_news = True
        self._news.changed.add(key)

    # What `plan` asks

    def turns(self, target: Target, secret: Secret | None) -> tuple[int, int]:
        credential = self._credentials.get(secret.id, _NOTHING) if secret is not None else _NOTHING
        return self._deployments.get(target.deployment_id, _NOTHING).turn, credential.turn

    def admits(self, target: Target, now: datetime) -> bool:
        """Whether a call may go there now: one at a time, where it is a trial."""
        memory = self._deployments.get(target.deployment_id)
        if memory is None or memory.state.standing == Standing.WELL or target.force == "closed":
            return True
        return memory.state.may_be_tried(now) and not (memory.state.is_open and memory.trials)

    def accepts(self, secret: Secret, now: datetime) -> bool:
        memory = self._credentials.get(secret.id)
        if memory is None or memory.state.standing == Standing.WELL:
            return True
        return memory.state.standing != Standing.OUT and not memory.state.is_cooling(now)

    def in_flight(self, target: Target) -> int:
        memory = self._deployments.get(target.deployment_id)
        return memory.in_flight if memory is not None else 0

    def deployment(self, target: Target) -> State:
        return self._deployments.get(target.deployment_id, _NOTHING).state

    def credential(self, secret: Secret) -> State:
        return self._credentials.get(secret.id, _NOTHING).state

    # What the provider has taught

    def learned(self, candidate: Candidate, what: str) -> None:
        """Remember that the deployment does not understand a parameter, such as stream_options."""
        memory = self._deployment(candidate.target)
        if what not in memory.not_understood:
            memory.not_understood |= {what}
            self._news.not_understood.add((candidate.target.deployment_id, what))

    def not_understood(self, target: Target) -> frozenset[str]:
        """The parameters that the deployment does not understand."""
        return self._deployments.get(target.deployment_id, _NOTHING_LEARNED).not_understood

    def recent(self, target: Target, *, now: datetime) -> int:
        """How many calls were judged there in the last half minute."""
        return self._deployments.get(target.deployment_id, _NOTHING_LEARNED).judge.total(now.timestamp())

    def note_doubt(self, candidate: Candidate, what: str) -> None:
        """Tell the operator of usage that could not be true."""
        self._news.doubts[candidate.target.deployment_id] = what

    # What is shared with other processes

    def news(self, now: datetime) -> News:
        """What is to be written. Whoever takes it says afterwards whether it was `written`, or `kept_back`."""
        judgements = []
        for key in self._news.changed:
            memory = self._memory(key)
            if memory.is_news:
                judgements.append(Judgement(key, memory.version, memory.state))
                memory.is_news = False
        return self._news.take(tuple(judgements), now)

    def written(self, versions: Mapping[Key, int]) -> None:
        """`versions` are those of the judgements that count. The others are replaced when the rows are read."""
        for key, version in versions.items():
            self._memory(key).written(version)

    def kept_back(self, news: News) -> None:
        """The news could not be written: keep it for the next time."""
        for judgement in news.judgements:
            memory = self._memory(judgement.key)
            if memory.version == judgement.version:
                memory.is_news = True
                self._news.changed.add(judgement.key)
        self._news.put_back(news)

    def read(self, rows: Rows) -> None:
        """Take over what other processes have found, and operators decided."""
        for key, seen in rows.items():
            memory = self._memory(key)
            if isinstance(memory, _OfDeployment):
                memory.not_understood |= seen.not_understood
            memory.read(seen.state, seen.version)

    def _memory(self, key: Key) -> Remembered:
        return self._of_deployment(key[1]) if key[0] == "deployment" else self._of_credential(key[1])

    def _deployment(self, target: Target) -> _OfDeployment:
        return self._deployments.get(target.deployment_id) or self._of_deployment(target.deployment_id)

    def _credential(self, secret: Secret) -> Remembered:
        return self._credentials.get(secret.id) or self._of_credential(secret.id)

    def _of_deployment(self, id: int) -> _OfDeployment:
        memory = self._deployments.get(id)
        if memory is None:
            memory = self._deployments[id] = _OfDeployment()
        return memory

    def _of_credential(self, id: int) -> Remembered:
        memory = self._credentials.get(id)
        if memory is None:
            memory = self._credentials[id] = Remembered()
        return memory


_NOTHING: Final = Remembered()
_NOTHING_LEARNED: Final = _OfDeployment()


def _key(target: Target) -> Key:
    return "deployment", target.deployment_id
