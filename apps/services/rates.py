"""The limits in which a request to a service counts. Pure."""

import re
from collections.abc import Iterable, Iterator
from typing import Literal
from urllib.parse import unquote

from apps.accounts.principals import Principal
from apps.quotas.rate_limits.addresses import counted_as
from apps.quotas.rate_limits.limits import SECOND, WINDOW, Scope
from apps.services.registry import Entry, Rates, RouteLimit

_SLASHES = re.compile("/{2,}")
_PARAMETERS = re.compile(";[^/]*")


def scopes_of(entry: Entry, principal: Principal | None, *, address: str, method: str, rest: str) -> tuple[Scope, ...]:
    """Of the key and the member, or of the address of a caller without a key, and of the routes that it takes."""
    return (*_of_caller(entry, principal, address), *_of_routes(entry, method, rest))


def _of_caller(entry: Entry, principal: Principal | None, address: str) -> Iterator[Scope]:
    if principal is None:
        yield from _scopes("address", f"{entry.id}:{counted_as(address)}", entry.address_rates, "address")
        return
    yield from _scopes("key", f"{entry.id}:{principal.key_id}", entry.key_rates, "key")
    yield from _scopes("student", f"{entry.id}:{principal.membership_id}", entry.user_rates, "user")


def _of_routes(entry: Entry, method: str, rest: str) -> Iterator[Scope]:
    if not entry.route_limits:
        return
    paths = _readings(rest)
    for number, limit in enumerate(entry.route_limits, 1):
        if _covers(limit, method, paths):
            id = f"{entry.id}:{','.join(sorted(limit.methods))}:{limit.path}"
            yield from _scopes("route", id, limit.rates, f"route-{number}")


def _scopes(kind: Literal["key", "student", "address", "route"], id: str, rates: Rates, policy: str) -> Iterator[Scope]:
    if rates.per_minute is not None:
        yield Scope(kind, id, "requests", rates.per_minute, window=WINDOW, policy=policy)
    if rates.burst is not None:
        yield Scope(kind, f"{id}:burst", "requests", rates.burst, window=SECOND, policy=f"{policy}-burst")


def _covers(limit: RouteLimit, method: str, paths: Iterable[str]) -> bool:
    """A service does for HEAD what it does for GET."""
    asked = {"HEAD", "GET"} if method == "HEAD" else {method}
    begin = limit.path.lower()
    return bool(not limit.methods or limit.methods & asked) and any(path.startswith(begin) for path in paths)


def _readings(rest: str) -> set[str]:
    """The path as services may read it, so that nobody gets around a limit by writing it in another way.

    Some decode it twice, ignore what follows a semicolon, or tell no small letters from capitals.
    """
    path = rest.lower()
    if "%" not in path and ";" not in path:
        return {_plain(path)}
    once = unquote(path)
    decoded = (once, unquote(once))
    return {_plain(text.lower()) for path in decoded for text in (path, _PARAMETERS.sub("", path))}


def _plain(path: str) -> str:
    return _SLASHES.sub("/", path) or "/"
