"""Attempts: asks one instance after the other until an answer begins.

Until then nothing has reached the caller. A request goes to another instance if nothing of it was sent, or if it may be
repeated: its method is idempotent, or it carries an Idempotency-Key.
"""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from apps.common import spans
from apps.common.clients import ConnectFailed, ConnectionBroken, NonFree, RelayResponse
from apps.common.errors import BodyStalled
from apps.common.retries import RetryBudget
from apps.common.waits import wait_of
from apps.services import failures
from apps.services.arrivals import ServiceArrival
from apps.services.balancing import ChosenInstance, Rotation, choose, usable
from apps.services.bodies import ENDLESS, SendableBody
from apps.services.failures import Failure
from apps.services.health.memory import Instances, InstanceTurn
from apps.services.health.news import InstanceRows
from apps.services.registry import Endpoint, Entry
from apps.services.relaying import Relay

logger = logging.getLogger(__name__)

IDEMPOTENT: Final = frozenset({
    "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND", "PROPPATCH", "SEARCH", "REPORT", "QUERY", "MKCOL", "COPY", 
    "MOVE", "UNLOCK",
})  # fmt: skip
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds, of which a random part is waited
LAST_MOMENT = 0.02  # seconds before the end of a request in which none is begun any more
_rng = random.Random()  # noqa: S311  # spreads load; it need not be unpredictable


@dataclass(slots=True)
class AttemptMemory:
    """What a process keeps between requests: how instances are, whose turn it is, and how much may be repeated."""

    instances: Instances = field(default_factory=Instances)
    rotations: defaultdict[int, Rotation] = field(default_factory=lambda: defaultdict(Rotation))
    budgets: defaultdict[int, RetryBudget] = field(default_factory=lambda: defaultdict(RetryBudget))

    def keep(self, entries: Collection[Entry], rows: InstanceRows) -> None:
        """Forget what was deleted. An instance that has a row may come back with its service."""
        services = {entry.id for entry in entries}
        for remembered in (self.rotations, self.budgets):
            for id in remembered.keys() - services:
                del remembered[id]
        self.instances.keep({endpoint.id for entry in entries for endpoint in entry.endpoints} | rows.keys())


def may_be_repeated(arrival: ServiceArrival) -> bool:
    return arrival.method in IDEMPOTENT or any(name == b"idempotency-key" for name, _ in arrival.headers)


Send = Callable[[ChosenInstance, float], Awaitable[RelayResponse]]  # to an instance, with the seconds that are left


class InstanceAttempts:
    """The attempts at one answer."""

    def __init__(self, arrival: ServiceArrival, memory: AttemptMemory, body: SendableBody, *, ends_at: float) -> None:
        self.count = 0
        self.asked: Endpoint | None = None  # the last one
        self._arrival, self._entry, self._body, self._ends_at = arrival, arrival.entry, body, ends_at
        self._memory, self._instances = memory, memory.instances
        self._is_repeatable = may_be_repeated(arrival)
        self._tried: set[int] = set()

    async def first_answer(self, send: Send) -> Relay:
        """Ask until an answer begins, to be closed at its end. Raises the error of a request that nobody answers."""
        choice, pause = self._choose(), 0.0
        if choice is None:
            raise failures.no_instance(self._entry)
        while True:
            await asyncio.sleep(pause)
            came = await self._ask(choice, send)
            failed = came.failed if isinstance(came, Relay) else came
            following = self._next(choice, failed) if failed is not None else None
            if isinstance(came, Relay):
                if following is None:
                    return came
                came.close()
            elif following is None:
                raise failures.error_of(self._entry, came)
            choice, pause = following

    def _choose(self) -> ChosenInstance | None:
        return choose(
            self._entry,
            self._instances,
            self._memory.rotations[self._entry.id],
            tried=self._tried,
            may_be_trial=self._is_repeatable and self._body.can_be_sent,
            now=datetime.now(UTC),
            rng=_rng,
        )

    # After a failure

    def _next(self, choice: ChosenInstance, failed: Failure) -> tuple[ChosenInstance, float] | None:
        """Whom to ask now, after how long a pause. None if the request is not sent again."""
        self._tried.add(choice.endpoint.id)
        if self.count > self._entry.retries.most or not self._body.can_be_sent:
            return None
        if failed.was_sent and not self._is_repeatable:
            return None
        following, pause = self._choose(), self._pause() if failed.was_sent else 0.0
        if following is None:  # all were tried
            self._tried.clear()
            following, pause = self._choose(), max(self._pause(), failed.wait or 0.0)
        if following is None or pause > LONGEST_PAUSE or time.monotonic() + pause >= self._ends_at - LAST_MOMENT:
            return None
        if failed.was_sent and not self._budgeted():
            return None
        return following, pause

    def _pause(self) -> float:
        """Full jitter: callers whose requests failed together do not come back together."""
        return _rng.uniform(0.0, min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (self.count - 1)))

    def _budgeted(self) -> bool:
        requests = self._instances.recent(usable(self._entry), now=datetime.now(UTC))
        return self._memory.budgets[self._entry.id].take(time.monotonic(), requests=requests)

    # One attempt

    async def _ask(self, choice: ChosenInstance, send: Send) -> Relay | Failure:
        """Ask one instance, and take note of what comes of it. An answer may be a failure as well."""
        self.count += 1
        self.asked = choice.endpoint
        turn = self._instances.begins(self._entry, choice.endpoint)
        try:
            response = await self._begun(choice, turn, send)
        except BaseException:  # the caller left, or its body was wrong: no fault of the instance
            self._instances.ended(turn)
            raise
        if isinstance(response, Failure):
            self._instances.ended(turn)
            return response
        failed = self._judged(turn, response)
        is_least_bad = choice.is_least_bad
        return Relay(
            response, self._instances, turn, self._body, ends_at=self._ends_at, failed=failed, is_least_bad=is_least_bad
        )

    async def _begun(self, choice: ChosenInstance, turn: InstanceTurn, send: Send) -> RelayResponse | Failure:
        """The answer, once its head has come, or why there is none. Raises BodyStalled if the caller took the time."""
        left, limit = self._ends_at - time.monotonic(), self._entry.timeouts.first_byte
        if left <= 0 and self.count == 1 and self._body.received:
            raise BodyStalled
        try:
            if left <= 0:
                raise TimeoutError
            async with asyncio.timeout(min(left, limit)) as timer:
                self._body.patience = FirstByte(timer, limit, ends_at=self._ends_at)
                with spans.stage(f"service {self._entry.name}", "client") as span:
                    response = await send(choice, left)
                    span.set(http__response__status_code=response.status, stoa__attempt=self.count)
                self._body.patience = ENDLESS
                return response
        except TimeoutError as error:
            if self._body.patience.is_held:
                raise BodyStalled from error
            is_ours = left < min(limit, self._entry.timeouts.total) / 2  # others took the time
            return self._failed(turn, failures.failure("too_slow"), is_ours=is_ours)
        except NonFree as error:
            raise failures.all_busy(self._entry) from error
        except ConnectFailed:
            return self._failed(turn, failures.failure("unreachable", was_sent=False))
        except ConnectionBroken:
            return self._failed(turn, failures.failure("closed" if self._body.whole is not None else "broken"))
        finally:
            self._body.patience = ENDLESS

    def _failed(self, turn: InstanceTurn, failed: Failure, *, is_ours: bool = False) -> Failure:
        logger.warning(
            "Request %s: %s of %s failed (%s)", self._arrival.id, turn.endpoint.url, self._entry.name, failed.reason
        )
        if not is_ours:
            self._instances.failed(turn, failed.reason, failed.words, now=datetime.now(UTC))
        return failed

    def _judged(self, turn: InstanceTurn, response: RelayResponse) -> Failure | None:
        """What an answer says about its instance; a failure if another attempt may give a better one."""
        now, status = datetime.now(UTC), response.status
        wait = wait_of(response.headers.get("retry-after", ""), now) if status in (429, 503) else None
        failed = failures.of_status(status, wait=wait)
        if failures.is_failure(self._entry, status):
            self._instances.failed(turn, "error", failed.words, now=now)
        elif status == 429 and wait is not None:
            self._instances.cooled(turn, wait, now=now)
        else:
            self._instances.answered(turn, now=now)
        return failed if status in self._entry.retries.statuses else None


class FirstByte:
    """The time until an answer must begin, of which the caller's own pauses are no part."""

    def __init__(self, timer: asyncio.Timeout, seconds: float, *, ends_at: float) -> None:
        self._timer, self._seconds, self._ends_at = timer, seconds, ends_at
        self.is_held = False

    def hold(self) -> None:
        self.is_held = True
        self._set(self._ends_at)

    def go_on(self) -> None:
        self.is_held = self.is_held and self._timer.expired()  # then this is the end of it
        self._set(min(self._ends_at, time.monotonic() + self._seconds))

    def _set(self, at: float) -> None:
        if self._timer.when() is not None and not self._timer.expired():
            self._timer.reschedule(asyncio.get_running_loop().time() + at - time.monotonic())
