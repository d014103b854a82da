"""The tokens of one scope in the last minute, in memory."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable

from apps.quotas.rate_limits.tokens import MANY, MOST, SLICE, TokenCount

_AFTER_ALL_NAMES = "\U0010ffff"


class TokenLog:
    """Amounts by name, in the order of their instants. A name is a call's, or that of a slice in which calls joined."""

    __slots__ = ("_amounts", "_order", "used")

    def __init__(self) -> None:
        self._amounts: dict[str, tuple[int, int]] = {}  # instant, amount
        self._order: list[tuple[int, str]] = []
        self.used = 0

    def __len__(self) -> int:
        return len(self._order)

    def forget(self, until: int) -> None:
        """Drop what has left the window."""
        if self._order and self._order[0][0] <= until:
            end = bisect_right(self._order, (until, _AFTER_ALL_NAMES))
            for _, name in self._order[:end]:
                self.used -= self._amounts.pop(name)[1]
            del self._order[:end]

    def count(self, *, room: int) -> TokenCount:
        """How it stands, and what has to leave before no more than `room` is used."""
        if not self._order:
            return TokenCount(0, 0, 0)
        return TokenCount(self.used, _due(self._in_order(), self.used - room), self._order[-1][0])

    def amount_of(self, name: str) -> int:
        return self._amounts.get(name, (0, 0))[1]

    def add(self, name: str, amount: int, *, at: int) -> None:
        if len(self._order) < MOST:
            self._put(name, amount, at)
        else:
            self._join(amount, at)

    def correct(self, name: str, amount: int) -> None:
        """Replace what it was added with, and drop it if nothing is left. A stranger stays one."""
        if name not in self._amounts:
            return
        at, _ = self._take_out(name)
        if amount and len(self._order) >= MANY:
            self._join(amount, at)
        elif amount:
            self._put(name, amount, at)

    def drop(self, name: str) -> None:
        """Remove an entry, if it is there."""
        if name in self._amounts:
            self._take_out(name)

    def _take_out(self, name: str) -> tuple[int, int]:
        at, amount = self._amounts.pop(name)
        del self._order[bisect_left(self._order, (at, name))]
        self.used -= amount
        return at, amount

    def _join(self, amount: int, at: int) -> None:
        """Add it to its slice, which counts until the last of those that joined has left."""
        name = f"slice:{at // SLICE}"
        if name in self._amounts:
            latest, sum_ = self._take_out(name)
            amount, at = amount + sum_, max(at, latest)
        self._put(name, amount, at)

    def _put(self, name: str, amount: int, at: int) -> None:
        self._amounts[name] = (at, amount)
        insort(self._order, (at, name))
        self.used += amount

    def _in_order(self) -> Iterable[tuple[int, int]]:
        return (self._amounts[name] for _, name in self._order)


def _due(entries: Iterable[tuple[int, int]], excess: int) -> int:
    """The instant of the entry with which so much has left; 0 if nothing has to."""
    if excess > 0:
        for at, amount in entries:
            excess -= amount
            if excess <= 0:
                return at
    return 0
