"""When and why an answer is ended before its provider ends it: a small state machine.

    going on --ask--> asked, for one reason --its moment comes--> ended (TimeoutError inside `watch`)
    asked because the client left --withdraw--> going on
    going on or asked --complete--> ended a moment later, without a failure

Only the first reason counts, and only a client that left may come back.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import Literal

from apps.common.errors import GatewayError, NotAllowed, UpstreamFailed
from apps.dataplane.admission import shutting_down

Reason = Literal["client_left", "client_stalled", "provider_stalled", "shutting_down", "access_ended"]

STALLED = "upstream_stalled"
LAST_LOOK = 0.05  # seconds in which a process that was paused reads what has arrived meanwhile
CLEAN_END_GRACE = 0.25  # seconds to read to the very end, after which the connection can be reused


class Stopping:
    """The state of one answer, for the event loop that relays it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit: asyncio.Timeout | None = None
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.reason: Reason | None = None
        self.is_complete = False  # the last event has arrived, and all before it was passed on
        self.first_byte: float | None = None
        self.last_progress = self.last_sent = time.monotonic()

    async def watch(self, work: Coroutine[None, None, None], *, seconds: float) -> None:
        """Do the work. Raises TimeoutError after `seconds`, or when it is asked to end."""
        try:
            async with asyncio.timeout(seconds) as self._limit:
                self._deadline = self._limit.when()
                await work
        finally:
            self._limit = None

    def shorten(self, *, seconds: float) -> None:
        """From now on the work may take this long, if that is less than it may already."""
        deadline = self._loop.time() + seconds
        if self._limit is None or self._deadline is None or self._deadline <= deadline:
            return
        self._deadline = deadline
        if self.reason is None:
            self._limit.reschedule(deadline)

    def ask(self, reason: Reason, *, after: float = 0.0) -> None:
        """End the answer after `after` seconds, unless it has ended before."""
        if self.reason is not None:
            return
        self.reason = reason
        if after:
            self._timer = self._loop.call_later(after, self._end, reason, LAST_LOOK)
        else:
            self._end(reason, 0.0)

    def withdraw(self) -> None:
        """The client is back: go on, with the time limit from before it left."""
        if self.reason != "client_left" or self.has_ended:
            return
        self.reason = None
        if self._timer is not None:
            self._timer.cancel()
        if self._limit is not None:
            self._limit.reschedule(self._loop.time() + CLEAN_END_GRACE if self.is_complete else self._deadline)

    def complete(self) -> None:
        """The answer's last event has arrived. Do not wait for what follows."""
        if not self.is_complete and self._limit is not None:
            self._limit.reschedule(self._loop.time() + CLEAN_END_GRACE)
            self.is_complete = True

    def began(self) -> None:
        """The answer's first content arrived, or all of a plain one."""
        self.first_byte = self.last_progress = time.monotonic()

    def received(self) -> None:
        """Data arrived from the provider."""
        self.last_progress = time.monotonic()

    def progressed(self) -> None:
        """The client was sent a block."""
        self.last_progress = self.last_sent = time.monotonic()

    @property
    def has_ended(self) -> bool:
        return self._limit is not None and self._limit.expired()

    @property
    def needs_no_answer(self) -> bool:
        """Nobody reads any more."""
        return self.reason in ("client_left", "client_stalled")

    def failure(self) -> GatewayError | None:
        """The error of an answer that was ended early. None if it was complete by then."""
        if self.is_complete:
            return None
        if self.reason == "shutting_down":
            return shutting_down()
        if self.reason == "access_ended":
            return NotAllowed(
                "access_ended",
                "Your key was revoked, or your place in the course ended, while this was answered. What had been "
                "generated is charged. Ask your instructor.",
            )
        if self.reason == "provider_stalled":
            return UpstreamFailed(STALLED, "The provider stopped in the middle of its answer. Ask again.")
        return UpstreamFailed("upstream_timeout", "The answer took too long and was ended.", status=504)

    def _end(self, reason: Reason, after: float) -> None:
        if self.reason == reason and self._limit is not None and not self._limit.expired():
            self._limit.reschedule(self._loop.time() + after)
