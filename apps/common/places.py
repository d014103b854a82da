"""A number of places, for those who want to do something at once: first come, first served."""

import asyncio
import contextlib
from collections import deque


class Places:
    """`free` of them can be taken without waiting; while anybody waits, none is."""

    def __init__(self, count: int) -> None:
        self.free = count
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def take(self) -> None:
        """Take one that is free."""
        self.free -= 1

    async def wait(self) -> None:
        """Take one as soon as there is one."""
        if self.free > 0:
            self.take()
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except BaseException:
            if turn.cancelled():
                with contextlib.suppress(ValueError):  # it may have been passed over already
                    self._waiting.remove(turn)
            else:  # it was given a place just as it gave up
                self.give_back()
            raise

    def give_back(self) -> None:
        """Free a place, for the one who has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1
