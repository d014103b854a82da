"""A bounded queue for a few places, fair over groups and then over their members.

Each free place goes to the group that holds the fewest (max-min fairness), of equal groups to the one that was served
the longest ago, within the group to a member by the same rule, and of equals to whoever has waited longest. When the
queue is full, a newcomer from a group that waits less displaces the last one of the group that waits most, so that no
group can fill the queue for the others either.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field


class QueueFull(Exception):
    """There is no place, and no room to wait for one."""


@dataclass(eq=False, slots=True)
class _Waiter:
    group: Hashable
    member: Hashable
    turn: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class FairQueue:
    """At most `places` at once, and at most `longest` that wait. For one event loop."""

    def __init__(self, places: int, *, longest: int) -> None:
        self.places, self.longest = places, longest
        self._held: Counter[Hashable] = Counter()  # by group, and by (group, member)
        self._served: dict[Hashable, int] = {}  # when last, in turns; only of those who hold or wait
        self._turns = 0
        self._in_use = 0
        self._waiting: list[_Waiter] = []  # the longest waiting first

    @property
    def in_use(self) -> int:
        return self._in_use

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def is_free(self) -> bool:
        """Whether a place can be had without waiting."""
        return self._in_use < self.places

    async def enter(self, group: Hashable, member: Hashable) -> Callable[[], None]:
        """Wait for a place. Returns what gives it back, which is safe to repeat. Raises QueueFull."""
        if self.is_free:
            self._take(group, member)
            return self._leaver(group, member)
        me = _Waiter(group, member)
        self._join(me)
        try:
            await me.turn
        except BaseException:
            if me in self._waiting:
                self._waiting.remove(me)
            elif me.turn.done() and not me.turn.cancelled() and me.turn.exception() is None:
                self._leave(group, member)  # it got the place at the moment in which it gave up
            self._forget(group, member)
            raise
        return self._leaver(group, member)

    def resize(self, places: int, *, longest: int) -> None:
        """Change the bounds. Whoever holds a place or waits keeps on."""
        self.places, self.longest = places, longest
        self._fill()

    def _join(self, me: _Waiter) -> None:
        if len(self._waiting) >= self.longest:
            per_group = Counter(one.group for one in self._waiting)
            greediest, most = per_group.most_common(1)[0] if per_group else (me.group, 0)
            if most <= per_group[me.group] + 1:
                raise QueueFull
            last = next(one for one in reversed(self._waiting) if one.group == greediest)
            self._waiting.remove(last)
            if not last.turn.done():  # otherwise it is giving up
                last.turn.set_exception(QueueFull())
        self._waiting.append(me)

    def _take(self, group: Hashable, member: Hashable) -> None:
        self._in_use += 1
        self._turns += 1
        for key in (group, (group, member)):
            self._held[key] += 1
            self._served[key] = self._turns

    def _leaver(self, group: Hashable, member: Hashable) -> Callable[[], None]:
        is_over = False

        def leave() -> None:
            nonlocal is_over
            if not is_over:
                is_over = True
                self._leave(group, member)

        return leave

    def _leave(self, group: Hashable, member: Hashable) -> None:
        self._in_use -= 1
        for key in (group, (group, member)):
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]
        self._fill()
        self._forget(group, member)

    def _forget(self, group: Hashable, member: Hashable) -> None:
        waiting = {key for one in self._waiting for key in (one.group, (one.group, one.member))}
        for key in (group, (group, member)):
            if key not in self._held and key not in waiting:
                self._served.pop(key, None)

    def _fill(self) -> None:
        while self._waiting and self.is_free:
            chosen = min(self._waiting, key=self._rank)  # of equals the first, who has waited longest
            self._waiting.remove(chosen)
            if not chosen.turn.done():  # otherwise it is giving up
                self._take(chosen.group, chosen.member)
                chosen.turn.set_result(None)

    def _rank(self, one: _Waiter) -> tuple[int, int, int, int]:
        member = (one.group, one.member)
        return (
            self._held[one.group],
            self._served.get(one.group, 0),
            self._held[member],
            self._served.get(member, 0),
        )
