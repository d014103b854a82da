"""How many bytes of long bodies one process holds at a time, and how many of them may be one student's.

Bodies are read before a call takes its turn in the queue, so without a bound a few hundred connections of one student
could fill the memory. Bytes count as they come, so that announcing a long body takes nothing from others, and until the
answer begins, since they are kept for the next deployment.
"""

from apps.common.errors import RateLimited
from apps.dataplane.admission import overloaded

M = 2**20
MOST = 512 * M
MOST_EACH = 64 * M  # two requests with the largest images
SHORT = 65_536  # shorter bodies are not counted: open connections bound them


class BodyBudget:
    """For the event loop of one process."""

    def __init__(self, *, most: int = MOST, most_each: int = MOST_EACH) -> None:
        self._most, self._most_each = most, most_each
        self._held = 0
        self._members: dict[int, int] = {}

    def take(self, member: int, size: int) -> None:
        """Raises RateLimited if the member holds too much already, and Overloaded if all together do."""
        mine = self._members.get(member, 0) + size
        if mine > self._most_each:
            raise RateLimited(
                f"Your requests that are open at once have more than {self._most_each // M} MB. Wait until one of them "
                "is answered, or send smaller images and files.",
                wait=1.0,
            )
        if self._held + size > self._most:
            raise overloaded()
        self._members[member] = mine
        self._held += size

    def give_back(self, member: int, size: int) -> None:
        self._held -= size
        left = self._members[member] - size
        if left:
            self._members[member] = left
        else:
            del self._members[member]


class BodyShare:
    """What one request holds of the budget. Its reader ends it."""

    __slots__ = ("_budget", "_member", "_size")

    def __init__(self, budget: BodyBudget, member: int) -> None:
        self._budget, self._member, self._size = budget, member, 0

    def grow(self, size: int) -> None:
        """The body has so many bytes by now. Raises what `BodyBudget.take` raises."""
        if size > max(SHORT, self._size):
            self._budget.take(self._member, size - self._size)
            self._size = size

    def end(self) -> None:
        """Safe to repeat."""
        if self._size:
            self._budget.give_back(self._member, self._size)
            self._size = 0
