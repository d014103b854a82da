"""The address that a caller asks for: passed on untouched, or refused. Pure.

Whatever could be read in two ways is refused, since limits by path count what Stoa reads and the service serves what it
reads itself.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes, urlencode

from apps.common.errors import InvalidRequest

_SEGMENT = rb"/(?!\.{1,2}(?:[/;]|$))[\w\-.~!$&'()*+,;=:@|^\[\]{}<>\"`]+"
_PLAIN = re.compile(rb"(?:%b)*/?" % _SEGMENT, re.ASCII)
_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_TWICE = re.compile(rb"%(?:2[5ef]|5c|[01][0-9a-f]|7f)", re.IGNORECASE)  # once decoded
_ENCODED = re.compile(rb"%(?:2[ef]|5c)", re.IGNORECASE)
_BEYOND = re.compile(rb"[^\x21-\x7e]")
_DOTS = re.compile(rb"/\.{1,2}(?:[/;]|$)")
# Controls, line ends, and what some servers take for a dot, a slash or a backslash once they have normalised it.
_ODD = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\uff0e\uff0f\uff3c\u2024\u2025\u2044\u2215\u2216\u29f5\u29f8\u29f9\ufe52\ufe68]"
)


def refuse_odd(path: bytes, query: bytes) -> None:
    """Raise InvalidRequest for an address, as it came on the wire, that two servers could read differently."""
    if query and _BEYOND.search(query):
        raise _refusal("what follows “?” has characters that must be encoded")
    if _PLAIN.fullmatch(path) is None and (wrong := _wrong(path)):
        raise _refusal(wrong)


def _wrong(path: bytes) -> str:
    """What is wrong with a path; empty if nothing is."""
    if not path.startswith(b"/"):
        return "it does not begin with a slash"
    if _BEYOND.search(path):
        return "it has characters that must be encoded"
    if b"\\" in path or _ENCODED.search(path):
        return "it has a backslash, or an encoded slash, backslash or dot"
    if b"//" in path:
        return "it has two slashes in a row"
    if _BROKEN.search(path):
        return "a percent sign in it begins no code"
    plain = unquote_to_bytes(path)
    if _TWICE.search(plain):
        return "it is encoded twice"
    if _DOTS.search(path) or _DOTS.search(plain):
        return "it has a part that is only dots"
    return _wrong_text(plain)


def _wrong_text(plain: bytes) -> str:
    try:
        text = plain.decode()
    except UnicodeDecodeError:
        return "what is encoded in it is not UTF-8"
    return "it has controls, or characters that look like dots or slashes" if _ODD.search(text) else ""


def _refusal(wrong: str) -> InvalidRequest:
    return InvalidRequest("ambiguous_address", f"This address is not passed on: {wrong}.")


def rewritten(path: str, rewrites: Iterable[tuple[str, str]]) -> str:
    """With its beginning replaced, by the first rewrite that fits.

    Raises InvalidRequest if that makes it odd: "/files../a" is plain, but not when "/files" becomes "/shared/".
    """
    for begin, replacement in rewrites:
        if path.startswith(begin):
            rest = path[len(begin) :]
            path = replacement + (rest.removeprefix("/") if replacement.endswith("/") else rest)
            refuse_odd(path.encode("latin-1"), b"")
            return path
    return path


def changed_query(query: bytes, *, set_to: dict[str, str], remove: frozenset[str]) -> bytes:
    """The query without the parameters that are removed, and with those that are set. All others stay to the byte."""
    gone = remove.union(set_to)
    kept = [part for part in query.split(b"&") if part and _name(part) not in gone]
    return b"&".join([*kept, urlencode(set_to).encode()] if set_to else kept)


def _name(part: bytes) -> str:
    return unquote_to_bytes(part.partition(b"=")[0].replace(b"+", b" ")).decode("utf-8", "replace")
