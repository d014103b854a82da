"""Logs the outage of a dependency once when it begins and once when it ends."""

import logging
import time

logger = logging.getLogger(__name__)


class Outage:
    """Whether one dependency is down, as this process sees it. `began` and `ended` may be called repeatedly."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._since: float | None = None

    def began(self, error: BaseException) -> None:
        if self._since is None:
            self._since = time.monotonic()
            logger.error("The %s is away: %s", self._what, str(error).partition("\n")[0])

    def ended(self) -> None:
        since, self._since = self._since, None
        if since is not None:
            logger.warning("The %s is back after %.1f seconds", self._what, time.monotonic() - since)


database_outage = Outage("database")
