"""The address guard: keeps URLs that a person or a file provides from leading into our own network.

It checks the very address that is about to be connected to. Odd spellings, and names that resolve differently the
second time, cannot get around it.
"""

import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


class ForbiddenAddress(OSError):
    """The address is not public, and the owner of the URL may not use private ones."""


def is_public(address: str) -> bool:
    """True for an address on the public internet. An IPv4 address inside an IPv6 one is checked too."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (None, None))[1]
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(ip.packed[-4:])
        if inner is not None:
            return is_public(str(inner))
        if ip not in _GLOBAL_UNICAST:
            return False  # Python counts some ranges as global that are not routed, such as local NAT64
    return ip.is_global and not ip.is_multicast


# Bytes that the kernel buffers. By default it would read tens of megabytes ahead of a student who reads slowly.
RECEIVE_BUFFER = 256 * 1024


def public_socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket for an address from getaddrinfo. Raises ForbiddenAddress unless the address is public."""
    if not is_public(info[4][0]):
        raise ForbiddenAddress("This address is not on the public internet.")
    return any_socket(info)


def any_socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket for any address from getaddrinfo."""
    family, kind, protocol, _, _ = info
    opened = socket.socket(family=family, type=kind, proto=protocol)
    opened.setblocking(False)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    return opened


def check_url(url: str) -> str:
    """A base URL as we store it, without a trailing slash. Raises ValueError with a sentence for users."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("The address must start with https:// or http://.")
    if not parts.hostname:
        raise ValueError("The address names no host.")
    if parts.username or parts.password:
        raise ValueError("The address must not contain a user name or password; use a credential.")
    if parts.query or parts.fragment:
        raise ValueError("The address must not contain '?' or '#'.")
    if any(ord(character) < 33 for character in url):
        raise ValueError("The address must not contain spaces or control characters.")
    parts.port  # noqa: B018  # raises ValueError for a port out of range
    return url.rstrip("/")
