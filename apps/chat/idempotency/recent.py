"""Recent answers, which this process can give to clients that retry.

Official clients number their attempts. The first one may still be running, because its client gave up a moment ago, or
it has just ended: then the retry gets that answer and costs nothing. A retry that finds nothing here is an ordinary
call. Everything is in memory, bounded in bytes, number and age.

An attempt without a number gets the answer in progress of an identical request whose client has left, and no other: two
clients that are both there may well want two answers.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, Protocol, TypeVar

from apps.chat.idempotency.stored_answers import StoredAnswer
from apps.common.errors import GatewayError

SECONDS = 120.0
MOST_BYTES = 16 * 2**20
MOST_REFUSALS = 2_000
OVERHEAD = 2_048  # bytes of an answer, beside its content


class Running(Protocol):
    """An answer in progress. `is_orphaned`: its client has left, and it ends soon unless `go_on` is called."""

    id: str
    task: asyncio.Task[None]

    @property
    def is_orphaned(self) -> bool: ...

    @property
    def can_be_joined(self) -> bool: ...

    def go_on(self) -> None: ...

    def stop_if_unread(self) -> None: ...


R = TypeVar("R", bound=Running)


class SharedAnswers(Protocol):
    """Tells other processes of this one's answers, and finds theirs."""

    def offer(self, digest: bytes, answer: Running, finished: Callable[[], StoredAnswer | None]) -> None:
        """The client of an answer has left. Its retry may reach another process."""
        ...

    async def find(self, digest: bytes, *, on_wait: Callable[[], None]) -> StoredAnswer | None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Finished:
    """An answer that ended at `at`. `is_owed`: its client had left before."""

    answer: StoredAnswer
    is_owed: bool
    at: float

    @property
    def size(self) -> int:
        return len(self.answer.content) + OVERHEAD


@dataclass(frozen=True, slots=True)
class _RefusedAttempts:
    """How many attempts got an error that clients retry, the last of them at `at`."""

    times: int
    at: float


class ReplayBudget:
    """The bytes that all open answers of a process may keep together, in case of retries."""

    def __init__(self, most: int = 64 * 2**20) -> None:
        self.left = most


class RecentAnswers(Generic[R]):
    """The open and the finished answers that may be asked for again, by the digest of their request.

    `budget` bounds what the open ones keep together. `shared`, if there is one, tells other processes of them.
    """

    def __init__(self, shared: SharedAnswers | None = None) -> None:
        self.shared = shared
        self.budget = ReplayBudget()
        self._open: defaultdict[bytes, list[R]] = defaultdict(list)
        self._left: set[bytes] = set()  # digests of open ones whose client left at least once
        self._finished: OrderedDict[bytes, _Finished] = OrderedDict()
        self._refused: OrderedDict[bytes, _RefusedAttempts] = OrderedDict()
        self.size = 0

    def begin(self, digest: bytes, pump: R) -> None:
        self._open[digest].append(pump)

    def end(self, digest: bytes, pump: R, answer: StoredAnswer | None, *, now: float) -> None:
        """The pump's answer has ended. None means that it cannot be repeated."""
        self._open[digest].remove(pump)
        if not self._open[digest]:
            del self._open[digest]
            self._left.discard(digest)
        if answer is not None:
            self._forget(digest)
            self._finished[digest] = finished = _Finished(answer, pump.is_orphaned, now)
            self.size += finished.size
            while self.size > MOST_BYTES:
                self._forget(next(iter(self._finished)))

    def client_left(self, digest: bytes, answer: Running) -> None:
        """The client has left, but may ask for the answer again."""
        self._left.add(digest)
        if self.shared is not None:
            self.shared.offer(digest, answer, partial(self.finished, digest, call=answer.id))

    async def close(self) -> None:
        if self.shared is not None:
            await self.shared.close()

    def note_refusal(self, digest: bytes, error: GatewayError, *, now: float) -> None:
        """An attempt got an error, so its retry is not a repeat of any other attempt."""
        if error.status not in (409, 429) and error.status < 500:
            return
        if error.headers.get("x-should-retry") == "false":
            return
        known = self._refused.pop(digest, _RefusedAttempts(0, now))
        self._refused[digest] = _RefusedAttempts(known.times + 1, now)
        if len(self._refused) > MOST_REFUSALS:
            self._refused.popitem(last=False)

    def find(self, digest: bytes, *, now: float) -> R | StoredAnswer | None:
        """What a retry gets: an answer whose client has left, else a finished one, else one in progress.

        None if it retries an attempt that was refused.
        """
        if (orphaned := self.orphan(digest)) is not None:
            return orphaned
        finished = self._finished.get(digest)
        if finished is not None and now - finished.at > SECONDS:
            finished = None
        if finished is not None and finished.is_owed:
            self._finished[digest] = replace(finished, is_owed=False)
            return finished.answer
        if self._was_refused(digest, now=now):
            return None
        if finished is not None:
            return finished.answer
        return next((pump for pump in self._open.get(digest, ()) if pump.can_be_joined), None)

    @property
    def has_orphans(self) -> bool:
        """Whether any answer may be waiting for its client, so that it is worth while to make a digest."""
        return bool(self._left)

    def orphan(self, digest: bytes) -> R | None:
        """An answer in progress whose client has left."""
        pumps = self._open.get(digest, ())
        return next((pump for pump in pumps if pump.is_orphaned and pump.can_be_joined), None)

    def finished(self, digest: bytes, *, call: str) -> StoredAnswer | None:
        """The answer of this call, if it has ended and can be repeated."""
        finished = self._finished.get(digest)
        return finished.answer if finished is not None and finished.answer.call == call else None

    def forget_old(self, *, now: float) -> None:
        """Drop what is too old, so that an idle process keeps nothing."""
        while self._finished and now - next(iter(self._finished.values())).at > SECONDS:
            self._forget(next(iter(self._finished)))
        while self._refused and now - next(iter(self._refused.values())).at > SECONDS:
            self._refused.popitem(last=False)

    def _was_refused(self, digest: bytes, *, now: float) -> bool:
        """Whether an attempt was refused and not retried yet. This counts as its retry."""
        refused = self._refused.pop(digest, None)
        if refused is None or now - refused.at > SECONDS:
            return False
        if refused.times > 1:
            self._refused[digest] = replace(refused, times=refused.times - 1)
        return True

    def _forget(self, digest: bytes) -> None:
        finished = self._finished.pop(digest, None)
        if finished is not None:
            self.size -= finished.size
