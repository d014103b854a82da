"""What a service gets of a request, and its caller of the answer: header pairs, with names in lower case. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from apps.services.arrivals import ServiceArrival
from apps.services.cookies import confined, without_ours
from apps.services.foreign import NOT_RETURNED, NOT_SENT, TOLD_SO
from apps.services.hops import via
from apps.services.paths import changed_query, rewritten
from apps.services.registry import Endpoint, Entry

Pairs = list[tuple[bytes, bytes]]

NOTHING: frozenset[bytes] = frozenset()
DOOR = "/svc/"  # in front of a service's prefix
_SANDBOX = (b"content-security-policy", b"sandbox")
_PLACES = (b"location", b"content-location")
_NAME = re.compile(rb"[a-z0-9-]+")
_NOT_IN_VALUES = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def outgoing(
    arrival: ServiceArrival, endpoint: Endpoint, *, more: Sequence[tuple[bytes, bytes]] = ()
) -> tuple[bytes, Pairs]:
    """The target and the header pairs with which an instance is asked. `more` replaces what has the same names.

    Host, Content-Length and Transfer-Encoding are left to whoever sends it, unless the operator has declared a Host.
    """
    change = arrival.entry.transformation
    pairs = _kept(arrival.headers)
    pairs += _own(arrival)
    if change.set_request or change.remove_request:
        pairs = _changed(pairs, set_to=change.set_request, remove=change.remove_request)
    return target(arrival, endpoint), replaced(pairs, more) if more else pairs


def target(arrival: ServiceArrival, endpoint: Endpoint) -> bytes:
    change, query = arrival.entry.transformation, arrival.query
    path = arrival.rest or "/"
    if not change.strips_prefix:
        path = DOOR + arrival.entry.prefix + arrival.rest
    if change.rewrites:
        path = rewritten(path, change.rewrites)
    if change.set_query or change.remove_query:
        query = changed_query(query, set_to=dict(change.set_query), remove=change.remove_query)
    whole = (endpoint.path + path).encode("latin-1")
    return whole + b"?" + query if query else whole


def _kept(headers: Iterable[tuple[bytes, bytes]]) -> Pairs:
    """What goes on as it came, but for our cookies."""
    pairs, options, has_cookies = [], [], False
    for pair in headers:
        name, value = pair
        if name == b"connection":
            options.append(value)
        elif name == b"cookie":
            has_cookies = True
            pairs.append((name, without_ours(value)))
        elif _goes_on(name):
            pairs.append(pair)
    if gone := _named(options):
        pairs = [pair for pair in pairs if pair[0] not in gone]
    return [pair for pair in pairs if pair[1] or pair[0] != b"cookie"] if has_cookies else pairs


@lru_cache(maxsize=2048)
def _goes_on(name: bytes) -> bool:
    """Names of other characters are dropped, as nginx does: some servers take each of these for an underscore."""
    return _NAME.fullmatch(name) is not None and not (name in NOT_SENT or name.startswith(TOLD_SO))


@lru_cache(maxsize=2048)
def _comes_back(name: bytes) -> bool:
    return not (name in NOT_RETURNED or name.replace(b"_", b"-").startswith((b"x-stoa-", b"x-gateway-")))


def _named(options: Sequence[bytes]) -> frozenset[bytes]:
    """What Connection names was meant for one hop alone."""
    return frozenset(name.strip().lower() for value in options for name in value.split(b",")) if options else NOTHING


def _own(arrival: ServiceArrival) -> Pairs:
    """What Stoa tells of the request."""
    entry = arrival.entry
    address, scheme = arrival.address.encode("latin-1"), arrival.scheme.encode()
    node = b'"[%b]"' % address if b":" in address else address or b"unknown"
    host = next((value for name, value in arrival.headers if name == b"host"), b"")
    pairs = [
        (b"via", via(entry.id)),
        (b"forwarded", b"for=%b;proto=%b" % (node, scheme) + (b';host="%b"' % host if host else b"")),
        (b"x-forwarded-proto", scheme),
        (b"x-request-id", arrival.id.encode()),
    ]
    if address:
        pairs.append((b"x-forwarded-for", address))
    if host:
        pairs.append((b"x-forwarded-host", host))
    if entry.transformation.strips_prefix:
        pairs.append((b"x-forwarded-prefix", (DOOR + entry.prefix).encode()))
    pairs += [(name.encode(), value.encode()) for name, value in arrival.trace.headers().items()]
    return pairs


def returned(entry: Entry, pairs: Iterable[tuple[bytes, bytes]], *, more: Sequence[tuple[bytes, bytes]] = ()) -> Pairs:
    """The header pairs of the answer that the caller gets. `more` replaces what has the same names.

    Pages of a service run in a sandbox, because they share their origin with the admin, unless the operator declares a
    Content-Security-Policy instead.
    """
    change, place = entry.transformation, (DOOR + entry.prefix).encode()
    pairs = list(pairs)
    gone = _named([value for name, value in pairs if name == b"connection"])
    seen = ((name, _as_seen(name, value, entry, place)) for name, value in pairs if name not in gone)
    kept = [(name, value) for name, value in seen if value is not None]
    if change.set_response or change.remove_response:
        kept = _changed(kept, set_to=change.set_response, remove=change.remove_response)
    if "content-security-policy" not in change.set_response:
        kept.append(_SANDBOX)
    kept.append((b"via", via(entry.id)))
    return replaced(kept, more) if more else kept


def _as_seen(name: bytes, value: bytes, entry: Entry, place: bytes) -> bytes | None:
    """The value that callers get of a header; None if they do not get it."""
    if not _comes_back(name) or _NOT_IN_VALUES.search(value):
        return None
    if name == b"set-cookie":
        return confined(value, prefix=place, strips_prefix=entry.transformation.strips_prefix)
    if name in _PLACES:
        return _seen_from_outside(value, entry, place)
    return None if entry.cors_origins and name.startswith(b"access-control-") else value


def _seen_from_outside(place: bytes, entry: Entry, prefix: bytes) -> bytes:
    """A place at one of the instances, which callers cannot reach there, as a place behind the door."""
    for endpoint in entry.endpoints:
        url = endpoint.url.encode()
        if place.startswith(url) and place[len(url) : len(url) + 1] in (b"", b"/", b"?", b"#"):
            rest = place[len(url) :]
            return prefix + rest if entry.transformation.strips_prefix else rest or b"/"
    return place


def _changed(pairs: Pairs, *, set_to: Mapping[str, str], remove: Iterable[str]) -> Pairs:
    gone = {name.encode() for name in (*remove, *set_to)}
    kept = [pair for pair in pairs if pair[0] not in gone]
    return [*kept, *((name.encode(), value.encode()) for name, value in set_to.items())]


def replaced(pairs: Iterable[tuple[bytes, bytes]], more: Sequence[tuple[bytes, bytes]]) -> Pairs:
    """The pairs, with those of `more` instead of any that have the same names."""
    names = {name for name, _ in more}
    return [*(pair for pair in pairs if pair[0] not in names), *more]
