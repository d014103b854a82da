"""A request to a service that was let in, until its end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager

from apps.accounts.principals import Principal
from apps.common.errors import GatewayError, NotAllowed
from apps.dataplane.admission import shutting_down
from apps.dataplane.answers import AnswerCut
from apps.dataplane.live import Ending


class AdmittedRequest:
    """Whoever holds it ends it, however the request ends; repeating that is harmless.

    `headers` go out with the answer, `identity` to the service; their names are in lower case. It can be stopped where
    it waits for the body of the request, for an instance, or for the next piece of the answer. While its client does
    not read it is stopped before the next piece. `ending` says why it was.
    """

    def __init__(
        self,
        *,
        principal: Principal | None,
        admitted: object,
        headers: Mapping[str, str],
        identity: Mapping[str, str],
        on_end: Callable[["AdmittedRequest"], None],
    ) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # an ASGI application runs in a task
        self.task: asyncio.Task[None] = task
        self.principal, self.admitted = principal, admitted
        self.headers, self.identity = headers, identity
        self._on_end: Callable[[AdmittedRequest], None] | None = on_end
        self.ending: Ending | None = None
        self._is_waiting = False

    def stop(self, reason: Ending) -> None:
        """End it early, before its answer begins or in the middle of that. Only the first reason counts."""
        if self.ending is None:
            self.ending = reason
            if self._is_waiting:
                self.task.cancel()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Around all that comes before the answer. Raises GatewayError if it is stopped meanwhile."""
        self._is_waiting = True
        try:
            yield
        except asyncio.CancelledError:
            if self.ending is None:
                raise
            self.task.uncancel()
            raise self._failure() from None
        finally:
            self._is_waiting = False

    async def passed_on(self, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The blocks of the answer, and then the end. Raises AnswerCut if it is stopped."""
        try:
            while self.ending is None:
                self._is_waiting = True
                try:
                    block = await anext(blocks)
                finally:
                    self._is_waiting = False
                yield block
            raise AnswerCut(self.ending)
        except StopAsyncIteration:
            pass
        except asyncio.CancelledError:
            if self.ending is None:
                raise
            self.task.uncancel()
            raise AnswerCut(self.ending) from None
        finally:
            self.end()

    def end(self) -> None:
        if self._on_end is not None:
            on_end, self._on_end = self._on_end, None
            on_end(self)

    def _failure(self) -> GatewayError:
        if self.ending == "shutting_down":
            return shutting_down()
        return NotAllowed(
            "access_ended",
            "Your key was revoked, or your place in the course ended, before this was answered. Ask your instructor.",
        )
