"""Finds the real client behind trusted reverse proxies. Pure.

Anyone can send `X-Forwarded-For`, so it counts only if a trusted proxy sends it, and only the part that trusted proxies
added: the client is the first address from the right that is not a trusted proxy. Later code never sees these headers.
It sees the client, the scheme and the Host.
"""

import ipaddress
from collections.abc import Sequence
from typing import Any

from gateway_project.edge.framing import is_host

Scope = dict[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_OTHERS = frozenset({b"forwarded", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip"})


class TrustedProxies:
    def __init__(self, networks: Sequence[str]) -> None:
        self._networks: list[Network] = [ipaddress.ip_network(network) for network in networks]

    def seen_through(self, scope: Scope) -> Scope:
        """The request as the client made it. Forwarding headers are removed, no matter who sent them."""
        told = [(name, value) for name, value in scope["headers"] if name[:12] == b"x-forwarded-" or name in _OTHERS]
        if not told:
            return scope
        headers = [header for header in scope["headers"] if header not in told]
        seen = {**scope, "headers": headers}
        peer = _address(scope["client"][0]) if scope.get("client") else None
        if peer is None or not self._trusts(peer):
            return seen
        seen["client"] = (str(self._client(peer, _listed(told, b"x-forwarded-for"))), 0)
        if (scheme := _last(told, b"x-forwarded-proto").lower()) in (b"http", b"https"):
            seen["scheme"] = scheme.decode()
        if is_host(host := _last(told, b"x-forwarded-host")):
            seen["headers"] = [(b"host", host), *(header for header in headers if header[0] != b"host")]
        return seen

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _client(self, peer: Address, hops: list[bytes]) -> Address:
        """Walk back through the hops for as long as each is a trusted proxy."""
        client = peer
        for hop in reversed(hops):
            if not self._trusts(client) or (before := _address(hop.decode("latin-1"))) is None:
                break
            client = before
        return client


def _listed(headers: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [part.strip() for found, value in headers if found == name for part in value.split(b",")]


def _last(headers: list[tuple[bytes, bytes]], name: bytes) -> bytes:
    return (_listed(headers, name) or [b""])[-1]


def _address(text: str) -> Address | None:
    """Parse an address as proxies write it: bare, with a port, in brackets, or IPv4 mapped to IPv6."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
