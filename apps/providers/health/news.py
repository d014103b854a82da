"""What processes tell one another about the health of providers. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from apps.common.health.states import State

DOUBT_EVERY: Final = timedelta(hours=1)
FAILURE_EVERY: Final = timedelta(seconds=10)
USE_EVERY: Final = timedelta(minutes=1)

Kind = Literal["deployment", "credential"]
Key = tuple[Kind, int]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A new state of one whose row was at this version when it was judged."""

    key: Key
    version: int
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What one process has to write: judgements, and what does not change a state: failures (words and moment),
    parameters that deployments do not understand, why usage that they reported was not believed, and which credentials
    were used."""

    judgements: tuple[Judgement, ...] = ()
    failures: Mapping[Key, tuple[str, datetime]] = field(default_factory=dict)
    not_understood: frozenset[tuple[int, str]] = frozenset()
    doubts: Mapping[int, str] = field(default_factory=dict)
    uses: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.judgements or self.failures or self.not_understood or self.doubts or self.uses)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHealth:
    """A row as it is stored."""

    state: State
    version: int
    not_understood: frozenset[str] = frozenset()


Rows = Mapping[Key, StoredHealth]


class Unwritten:
    """What one process has not written yet. Doubts, failures and uses are written now and then only."""

    def __init__(self) -> None:
        self.changed: set[Key] = set()
        self.not_understood: set[tuple[int, str]] = set()
        self.doubts: dict[int, str] = {}
        self.uses: set[int] = set()  # of credentials
        self._failures: dict[Key, tuple[str, datetime]] = {}
        self._last_failure: dict[Key, datetime] = {}
        self._last_doubt: dict[int, datetime] = {}
        self._last_use: dict[int, datetime] = {}

    def note_failure(self, key: Key, words: str, now: datetime) -> None:
        last = self._last_failure.get(key)
        if last is None or now - last >= FAILURE_EVERY:
            self._last_failure[key] = now
            self._failures[key] = words, now

    def take(self, judgements: tuple[Judgement, ...], now: datetime) -> News:
        doubts = {id: what for id, what in self.doubts.items() if self._is_due(id, now)}
        self._last_doubt.update(dict.fromkeys(doubts, now))
        uses = frozenset(id for id in self.uses if now - self._last_use.get(id, now - USE_EVERY) >= USE_EVERY)
        self._last_use.update(dict.fromkeys(uses, now))
        self.uses -= uses
        news = News(
            judgements=judgements,
            failures=self._failures,
            not_understood=frozenset(self.not_understood),
            doubts=doubts,
            uses=uses,
        )
        self.changed, self.not_understood, self.doubts, self._failures = set(), set(), {}, {}
        return news

    def put_back(self, news: News) -> None:
        self.not_understood |= news.not_understood
        self._failures = {**news.failures, **self._failures}
        self.doubts = {**news.doubts, **self.doubts}
        for deployment in news.doubts:
            self._last_doubt.pop(deployment, None)
        self.uses |= news.uses
        for credential in news.uses:
            self._last_use.pop(credential, None)

    def _is_due(self, deployment: int, now: datetime) -> bool:
        last = self._last_doubt.get(deployment)
        return last is None or now - last >= DOUBT_EVERY
