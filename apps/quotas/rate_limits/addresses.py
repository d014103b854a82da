"""How often one address may fail to say who it is, counted in this process.

A network of IPv6 counts as one address, since its owner has all addresses in it. Whoever presents a good key is never
counted and never refused: a whole lab may sit behind one address.
"""

import ipaddress
import itertools
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from apps.quotas.rate_limits.limits import SECOND, WINDOW
from apps.quotas.rate_limits.log import Log

MOST_ADDRESSES = 2_000  # those counted last; forgetting another one lets it begin again
_NETWORK = 64


class CountedAttempt(NamedTuple):
    """One attempt that may fail. Nothing was counted if there is a `wait`, in seconds."""

    address: str
    name: str
    wait: float


class AddressLimit:
    """A limit of failures a minute and address, for one of `processes`. `clock` gives microseconds."""

    def __init__(
        self, per_minute: int, *, processes: int = 1, clock: Callable[[], int] = lambda: time.monotonic_ns() // 1000
    ) -> None:
        self._most, self._clock = -(-per_minute // processes), clock
        self._logs: OrderedDict[str, Log] = OrderedDict()  # the one counted last comes last
        self._names = map(str, itertools.count())

    def __len__(self) -> int:
        return len(self._logs)

    def count(self, host: str) -> CountedAttempt:
        """Count an attempt as a failure, unless there have been too many."""
        address, now = counted_as(host), self._clock()
        log = self._log(address)
        log.forget(now - WINDOW)
        used = log.count(self._most, 1)
        if used.used >= self._most:
            return CountedAttempt(address, "", max(0, used.due + WINDOW - now) / SECOND)
        attempt = CountedAttempt(address, next(self._names), 0.0)
        log.add(attempt.name, 1, now)
        return attempt

    def forgive(self, attempt: CountedAttempt) -> None:
        """It has not failed."""
        if (log := self._logs.get(attempt.address)) is not None:
            log.correct(attempt.name, 0)

    def _log(self, address: str) -> Log:
        log = self._logs.pop(address, None) or Log()
        self._logs[address] = log
        if len(self._logs) > MOST_ADDRESSES:
            self._logs.popitem(last=False)
        return log


def counted_as(host: str) -> str:
    """The address as what it counts: one of IPv4 as itself, one of IPv6 as its network."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _NETWORK), strict=False))
