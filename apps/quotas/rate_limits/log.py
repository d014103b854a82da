"""What one scope admitted in the last minute, in memory."""

from bisect import bisect_left, bisect_right, insort

from apps.quotas.rate_limits.limits import MILLISECOND, Count

SLICE = 100 * MILLISECOND
MANY = 1_000
_AFTER_ALL_NAMES = "\U0010ffff"


class Log:
    """Amounts by name, in the order of their instants, and how many requests are open.

    A name is the id of a request or of a call. From MANY entries on, a call that ends is merged with the others that
    began in the same SLICE, into one entry at the latest instant among them. This errs on the strict side, since all of
    them count until the last has left. It bounds the log: MANY entries, the slices of a minute, and the running calls.
    """

    __slots__ = ("_entries", "_order", "open", "used")

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, int]] = {}  # instant, amount
        self._order: list[tuple[int, str]] = []
        self.used = 0
        self.open = 0

    def __len__(self) -> int:
        return len(self._order)

    def forget(self, until: int) -> None:
        """Drop the entries that have left the window."""
        if self._order and self._order[0][0] <= until:
            end = bisect_right(self._order, (until, _AFTER_ALL_NAMES))
            for _, name in self._order[:end]:
                self.used -= self._entries.pop(name)[1]
            del self._order[:end]

    def count(self, limit: int | None, amount: int) -> Count:
        """The count, and the instant of the entry that has to leave before the amount fits within the limit."""
        if limit is None or not self._order:
            return Count(0, 0, 0, self.open)
        most_before = max(0, limit - amount)
        due = self._due(self.used - most_before) if self.used > most_before else 0
        return Count(self.used, due, self._order[-1][0], self.open)

    def amount_of(self, name: str) -> int:
        return self._entries.get(name, (0, 0))[1]

    def add(self, name: str, amount: int, at: int) -> None:
        self._entries[name] = (at, amount)
        self.used += amount
        place, order = (at, name), self._order
        if order and order[-1] > place:
            insort(order, place)
        else:
            order.append(place)

    def correct(self, name: str, amount: int) -> None:
        """Replace the amount of an entry; zero drops the entry. Ignores unknown names."""
        if name not in self._entries:
            return
        at, old = self._entries[name]
        if amount and len(self._order) <= MANY:
            self._entries[name] = (at, amount)
            self.used += amount - old
            return
        self._drop(name)
        if amount:
            self._join(f"slice:{at // SLICE}", amount, at)

    def _drop(self, name: str) -> None:
        at, amount = self._entries.pop(name)
        del self._order[bisect_left(self._order, (at, name))]
        self.used -= amount

    def _join(self, name: str, amount: int, at: int) -> None:
        latest, sum_ = self._entries.get(name, (0, 0))
        if name in self._entries:
            self._drop(name)
        self.add(name, sum_ + amount, max(at, latest))

    def _due(self, excess: int) -> int:
        """The instant of the entry with which so much has left; 0 if the entries do not hold so much."""
        for at, name in self._order:
            excess -= self._entries[name][1]
            if excess <= 0:
                return at
        return 0
