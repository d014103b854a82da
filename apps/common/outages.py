"""Tells an outage of a dependency from other trouble with it, and logs it once when it begins and once when it ends."""

import logging
import time
from collections import deque
from enum import Enum

from django.db import InterfaceError, OperationalError

logger = logging.getLogger(__name__)


class Trouble(Enum):
    """What a database's error means for those who wait for an answer."""

    AWAY = "is away"  # no connection, or a server or disk that cannot work: trying again helps once somebody acts
    BUSY = "is busy"  # a lock or a time limit: trying again soon helps
    MISTAKE = "refused a statement"  # ours, such as one that is too complex: trying again does not help


# SQLite's primary result codes, and classes of PostgreSQL's states. Without either, there was no connection to say one.
_SQLITE = {
    **dict.fromkeys((5, 6, 9), Trouble.BUSY),  # BUSY, LOCKED, INTERRUPT
    **dict.fromkeys((7, 8, 10, 11, 13, 14, 15, 23, 26), Trouble.AWAY),  # memory, disk, permissions, or no database
}
_POSTGRESQL = {
    **dict.fromkeys(("40", "55"), Trouble.BUSY),  # deadlocks, locks
    **dict.fromkeys(("22", "42", "54"), Trouble.MISTAKE),  # 54: too complex
}
_TIMED_OUT = "57014"


def trouble(error: BaseException) -> Trouble | None:
    """What an error of the database means. None for any that is not about whether it can work at the moment."""
    if not isinstance(error, OperationalError | InterfaceError):
        return None
    said = error.__cause__
    if (code := getattr(said, "sqlite_errorcode", None)) is not None:
        return _SQLITE.get(code & 0xFF, Trouble.MISTAKE)
    state = getattr(said, "sqlstate", None) or ""
    return Trouble.BUSY if state == _TIMED_OUT else _POSTGRESQL.get(state[:2], Trouble.AWAY)


class OutageNews:
    """Whether there is news of something that may come and go all the time: at most `most` outages in `seconds` are.

    The end of an outage is news if its beginning was. Ask again while a state lasts, so that an outage that was not
    news at first becomes some if it goes on. Pure: `now` is in seconds, of any clock.
    """

    def __init__(self, *, most: int = 3, seconds: float = 60.0) -> None:
        self._most, self._seconds = most, seconds
        self._began: deque[float] = deque()
        self._is_away = False

    def is_news(self, *, is_away: bool, now: float) -> bool:
        if is_away == self._is_away:
            return False
        if is_away:
            while self._began and self._began[0] <= now - self._seconds:
                self._began.popleft()
            if len(self._began) >= self._most:
                return False
            self._began.append(now)
        self._is_away = is_away
        return True


class Outage:
    """Whether one dependency is down, as this process sees it. `began` and `ended` may be called repeatedly."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._since: float | None = None

    def began(self, error: BaseException) -> None:
        if self._since is None:
            self._since = time.monotonic()
            is_what = (trouble(error) or Trouble.AWAY).value
            logger.error("The %s %s: %s", self._what, is_what, str(error).partition("\n")[0])

    def ended(self) -> None:
        since, self._since = self._since, None
        if since is not None:
            logger.warning("The %s is back after %.1f seconds", self._what, time.monotonic() - since)


database_outage = Outage("database")
