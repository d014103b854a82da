"""Refuses ambiguous requests, by their head. Pure.

The parser already refuses what RFC 9112 forbids in the bytes: contradicting or odd lengths, folded lines, a space
before the colon, bare CR, LF or NUL (`tests/server/test_framing.py` lists it all). This module refuses what the parser
accepts although two servers in a row could read it differently.
"""

import re
from functools import lru_cache

Header = tuple[bytes, bytes]

# A name, an IPv4 address or a bracketed IPv6 address, and an optional port. Nothing else that a URL may contain.
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
_OFFER = frozenset({b"upgrade", b"http2-settings"})
_FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding"})


class Malformed(Exception):
    """The head is refused. The message says why, without quoting it."""


def checked(headers: list[Header], *, version: str, target: bytes) -> list[Header]:
    """The headers that count. Expects names in lower case. Raises Malformed.

    Drops names with an underscore, which Django cannot tell from a hyphen, and the headers that Connection names, which
    were meant for the previous hop only.
    """
    hosts, codings, connection, has_underscore = [], [], [], False
    for name, value in headers:
        if name == b"host":
            hosts.append(value)
        elif name == b"transfer-encoding":
            codings.append(value)
        elif name == b"connection":
            connection.append(value)
        has_underscore = has_underscore or b"_" in name
    if version not in ("1.1", "1.0"):
        raise Malformed("The version of HTTP must be 1.1 or 1.0.")
    _check_host(hosts, version=version, target=target)
    if codings:
        _check_coding(codings, version=version)
    named = _named(b",".join(connection))
    if not named and not has_underscore:
        return headers
    return [(name, value) for name, value in headers if b"_" not in name and name not in named]


def without_offer(headers: list[Header], *, method: bytes, target: bytes, version: str) -> bytes:
    """The head of a request without its offer to go on in another protocol, which a server may ignore (RFC 9110 7.8).

    The parser stops at such an offer and skips the body. It has accepted every part of the head, so none can break a
    line.
    """
    lines = [b"%s %s HTTP/%s" % (method, target, version.encode())]
    for name, value in headers:
        if name == b"connection":
            kept = [option.strip() for option in value.split(b",") if option.strip().lower() not in _OFFER]
            value = b", ".join(kept)
        if name not in _OFFER:
            lines.append(b"%s: %s" % (name, value))
    return b"\r\n".join((*lines, b"", b""))


def _check_host(hosts: list[bytes], *, version: str, target: bytes) -> None:
    if len(hosts) != 1 and (hosts or version == "1.1"):
        raise Malformed("There must be exactly one Host.")
    if hosts and not is_host(hosts[0]):
        raise Malformed("The Host is none.")
    if b"#" in target:
        raise Malformed("The address has a fragment.")
    if not target.startswith(b"/"):
        absolute = _ABSOLUTE.match(target)
        if absolute is None or absolute[1].lower() not in (host.strip().lower() for host in hosts):
            raise Malformed("The address is not on this Host.")


def _check_coding(codings: list[bytes], *, version: str) -> None:
    if version == "1.0" or len(codings) > 1 or codings[0].strip().lower() != b"chunked":
        raise Malformed("A body can only be chunked, in HTTP/1.1.")


@lru_cache(maxsize=256)
def is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value.strip()) is not None


@lru_cache(maxsize=256)
def _named(connection: bytes) -> frozenset[bytes]:
    """The headers that Connection names, except its own options and the framing that the parser has already used."""
    names = frozenset(name.strip().lower() for name in connection.split(b","))
    return names - {b"close", b"keep-alive", b""} - _FRAMING
