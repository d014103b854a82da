"""What the data plane notices about keys, and which of it somebody should know. Pure, and in memory only.

A request pays for adding to a set. Everything else happens once a second, in `watching.py`.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

USE_EVERY: Final = timedelta(minutes=1)
GUESS_WINDOW: Final = timedelta(minutes=10)
GUESSES: Final = 20  # in a window, from one address
ROAM_WINDOW: Final = timedelta(hours=1)
ROAMING: Final = 6  # networks in a window: home, phone, campus and a library are usual
MOST_ADDRESSES: Final = 2_000  # which keep the event loop busy for less than 10 ms
MOST_KEYS: Final = 50_000
MOST_AT_ONCE: Final = 16  # events of a kind that are written in one second; a flood must not write rows


class Sightings:
    """Filled by requests on the event loop, and emptied by the loop that writes."""

    def __init__(self) -> None:
        self.keys: set[tuple[int, str]] = set()  # ids of keys, with the address that used them
        self.guesses: dict[str, int] = {}

    def guessed(self, address: str) -> None:
        """An unknown key came from this address."""
        if address in self.guesses or len(self.guesses) < MOST_ADDRESSES:
            self.guesses[address] = self.guesses.get(address, 0) + 1

    def take(self) -> tuple[set[tuple[int, str]], dict[str, int]]:
        taken = self.keys, self.guesses
        self.keys, self.guesses = set(), {}
        return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """Keys whose last use is to be written; keys with the number of their networks; guesses by address."""

    uses: tuple[int, ...] = ()
    roaming: Mapping[int, int] = field(default_factory=dict)
    guessing: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.uses or self.roaming or self.guessing)


class Watch:
    """Remembers what one process has seen, for as long as it matters."""

    def __init__(self) -> None:
        self._used: dict[int, datetime] = {}
        self._networks: dict[int, dict[str, datetime]] = {}
        self._roamed: dict[int, datetime] = {}
        self._guesses: dict[str, int] = {}
        self._told: set[str] = set()
        self._window: datetime | None = None

    def judge(self, keys: set[tuple[int, str]], guesses: Mapping[str, int], *, now: datetime) -> Noticed:
        """What is due. Say `written` once it is."""
        if len(self._used) > MOST_KEYS:
            self._used, self._networks = {}, {}
        seen = {key for key, _ in keys}
        return Noticed(
            uses=tuple(sorted(key for key in seen if key not in self._used or now - self._used[key] >= USE_EVERY)),
            roaming=self._roaming(keys, now),
            guessing=self._guessing(guesses, now),
        )

    def written(self, findings: Noticed, *, now: datetime) -> None:
        self._used.update(dict.fromkeys(findings.uses, now))
        self._roamed.update(dict.fromkeys(findings.roaming, now))
        self._told.update(findings.guessing)

    def _roaming(self, keys: set[tuple[int, str]], now: datetime) -> dict[int, int]:
        found: dict[int, int] = {}
        for key, address in keys:
            networks = self._networks.setdefault(key, {})
            networks[network_of(address)] = now
            if len(networks) < ROAMING:
                continue
            self._networks[key] = {network: at for network, at in networks.items() if now - at < ROAM_WINDOW}
            count, was_told = len(self._networks[key]), now - self._roamed.get(key, now - ROAM_WINDOW) < ROAM_WINDOW
            if count >= ROAMING and not was_told and len(found) < MOST_AT_ONCE:
                found[key] = count
        return found

    def _guessing(self, guesses: Mapping[str, int], now: datetime) -> dict[str, int]:
        if self._window is None or now - self._window >= GUESS_WINDOW:
            self._window, self._guesses, self._told = now, {}, set()
        sites = {address: site_of(address) for address in guesses}
        for address, count in guesses.items():
            network = sites[address]
            if network in self._guesses or len(self._guesses) < MOST_ADDRESSES:
                self._guesses[network] = self._guesses.get(network, 0) + count
        many = ((one, self._guesses[one]) for one in set(sites.values()) - self._told)
        due = [(one, count) for one, count in many if count >= GUESSES] if len(self._told) < 10 * MOST_AT_ONCE else []
        return dict(due[:MOST_AT_ONCE])


@lru_cache(maxsize=MOST_ADDRESSES)
def network_of(address: str) -> str:
    """Roughly one place: a /24 of IPv4 or a /48 of IPv6."""
    return _within(address, four=24, six=48)


def site_of(address: str) -> str:
    """Roughly one machine: an address of IPv4 or a /64 of IPv6."""
    return _within(address, four=32, six=64) if ":" in address else address


def _within(address: str, *, four: int, six: int) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((ip, four if ip.version == 4 else six), strict=False))
