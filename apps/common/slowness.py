"""Says in the log what was slow: names and milliseconds, never values, texts or people.

When everything is slow, each kind says so once a second, with how many others there were.
"""

import logging
import time
from dataclasses import dataclass
from typing import Final

logger = logging.getLogger("stoa.slow")

EVERY: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowLimits:
    """From how many milliseconds on a query, the beginning of an answer, and a look at rules are slow."""

    query_ms: int = 1_000
    call_ms: int = 30_000
    rule_ms: int = 100


class _Teller:
    """Tells of one kind of thing."""

    def __init__(self) -> None:
        self._told_at = float("-inf")
        self._untold = 0

    def tell(self, message: str, *values: object) -> None:
        now = time.monotonic()
        if now - self._told_at < EVERY:
            self._untold += 1
            return
        more = f" ({self._untold} others since the last line)" if self._untold else ""
        self._told_at, self._untold = now, 0
        logger.warning(message + more, *values)


class Slowness:
    """The limits that are in force in this process, and what is said of what exceeds them."""

    def __init__(self) -> None:
        self.limits = SlowLimits()
        self._queries, self._calls, self._rules = _Teller(), _Teller(), _Teller()

    def query(self, sql: str, seconds: float) -> None:
        """Without its values, which may be anything that people wrote."""
        if seconds * 1000 > self.limits.query_ms:
            self._queries.tell("Slow query, %d ms: %s", seconds * 1000, " ".join(sql.split())[:500])

    def call(self, route: str, seconds: float) -> None:
        if seconds * 1000 > self.limits.call_ms:
            self._calls.tell("Slow call, %d ms until the answer began: /%s", seconds * 1000, route)

    def rules(self, seconds: float) -> None:
        if seconds * 1000 > self.limits.rule_ms:
            self._rules.tell("Slow rules, %d ms of processor time for one look at a text", seconds * 1000)


slowness = Slowness()
