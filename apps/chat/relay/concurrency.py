"""The limits of deployments that take only so many calls at once, such as a server of the institution's own."""

import asyncio
from collections.abc import Callable, Iterable

from apps.accounts.principals import Principal
from apps.common.fair_queue import FairQueue, QueueFull
from apps.providers.adapters.protocol import UpstreamRefused
from apps.providers.catalogue import Target
from apps.providers.routing import Candidate

LEAST_WAITING = 32
WAITING_A_PLACE = 8  # calls that may wait for each place


class ConcurrencyLimits:
    """Those of one process. Places are given out fairly over courses, and then over their students."""

    def __init__(self) -> None:
        self._queues: dict[int, FairQueue] = {}

    def order(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Whoever has a place comes before whoever would make the call wait."""
        return sorted(candidates, key=lambda candidate: not self._is_free(candidate.target))

    async def enter(self, target: Target, principal: Principal, *, places: int, seconds: float) -> Callable[[], None]:
        """Wait for one of its places, for as long as that. Returns what gives it back. Raises UpstreamRefused."""
        try:
            async with asyncio.timeout(seconds):
                return await self._queue(target, places).enter(principal.course_id, principal.membership_id)
        except TimeoutError as error:
            raise UpstreamRefused(
                "full", detail=f"None of its places was free within {seconds:.3g} seconds."
            ) from error
        except QueueFull as error:
            raise UpstreamRefused("full", detail="Too many calls wait for its places.") from error

    def _is_free(self, target: Target) -> bool:
        return target.max_concurrent is None or self._queue(target, target.max_concurrent).is_free

    def _queue(self, target: Target, places: int) -> FairQueue:
        queue = self._queues.get(target.deployment_id)
        longest = max(LEAST_WAITING, WAITING_A_PLACE * places)
        if queue is None:
            queue = self._queues[target.deployment_id] = FairQueue(places, longest=longest)
        elif queue.places != places:
            queue.resize(places, longest=longest)
        return queue
