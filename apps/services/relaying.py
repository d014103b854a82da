"""An answer that has begun, on its way from an instance to the caller."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

from apps.common.clients import RelayError, RelayResponse
from apps.common.errors import GatewayError
from apps.dataplane.answers import AnswerCut
from apps.services import failures
from apps.services.bodies import SendableBody
from apps.services.failures import Failure
from apps.services.health.memory import Instances, InstanceTurn


class Relay:
    """The answer of an instance. `failed` says that it is one which another attempt might have avoided.

    Always `close` it, which frees its instance and calls `on_end`; doing so twice is harmless. `is_whole` tells then
    whether it has been passed on to its end, and `broken` why not, if that was not the caller's doing.
    """

    def __init__(
        self,
        response: RelayResponse,
        instances: Instances,
        turn: InstanceTurn,
        body: SendableBody,
        *,
        ends_at: float,
        failed: Failure | None,
        is_least_bad: bool,
    ) -> None:
        self.response, self.turn, self.failed, self.is_least_bad = response, turn, failed, is_least_bad
        self.on_end: Callable[[], None] = _nothing
        self.sent = 0  # bytes of the body
        self.is_whole = False
        self.broken: Failure | None = None
        self._instances, self._body, self._ends_at = instances, body, ends_at
        self._is_open = True

    async def blocks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises AnswerCut where it breaks off, or takes too long."""
        try:
            while block := await self._block():
                self.sent += len(block)
                yield block
            self.is_whole = True
        finally:
            self.close()

    async def _block(self) -> bytes:
        response, idle = self.response, self.turn.entry.timeouts.idle
        if response.is_whole:  # nothing is waited for
            return await response.read()
        left = self._ends_at - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            async with asyncio.timeout(min(idle, left)):
                return await response.read()
        except TimeoutError as error:
            is_its_fault = left >= idle and not self._body.is_awaited
            self._broke(failures.failure("too_slow", detail="Its answer stopped."), is_its_fault=is_its_fault)
            raise AnswerCut from error
        except RelayError as error:
            self._broke(failures.failure("broken"))
            raise AnswerCut from error
        except GatewayError as error:  # of the body of the request, which still arrives
            self._broke(failures.failure("broken"), is_its_fault=False)
            raise AnswerCut from error

    def _broke(self, failed: Failure, *, is_its_fault: bool = True) -> None:
        """An answer that only took longer than a whole request may is nobody's fault. Neither is one that waits for its
        caller."""
        self.broken = failed
        if is_its_fault and self._is_open:
            self._instances.failed(self.turn, failed.reason, failed.words, now=datetime.now(UTC))

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self.response.close()
            self._instances.ended(self.turn)
            self.on_end()


def _nothing() -> None: ...
