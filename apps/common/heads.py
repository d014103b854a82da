"""The first lines of a request: its method, target and headers. Pure."""

import re
from collections.abc import Mapping

Pairs = list[tuple[bytes, bytes]]

FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection"})
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "DELETE", "TRACE"})  # usually, so that 0 need not be said
_HEAD = re.compile(
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP/1\.1\r\n(?:[!#$%&'*+.^_`|~0-9a-z-]+: [^\r\n\0]*\r\n)+\r\n"
)


def head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """Raises ValueError for a line break in a header."""
    lines = [f"{method} {path} HTTP/1.1", *[f"{name}: {value}" for name, value in headers.items()]]
    head = "\r\n".join(lines) + "\r\n\r\n"
    if not head.count("\r") == head.count("\n") == len(lines) + 1 or "\0" in head:
        raise ValueError("A header contains a line break.")
    return head.encode()


def raw_head(method: str, target: bytes, pairs: Pairs, *, authority: str, length: int | None) -> bytes:
    """The target and the headers go out as they are; a length of None means chunks.

    Names are in lower case. The framing is ours, whatever the headers say of it. `authority` is the host unless they
    name one. Raises ValueError for whatever a server might read as another request.
    """
    lines = [b"%b: %b\r\n" % pair for pair in pairs if pair[0] not in FRAMING]
    if b"host" not in dict(pairs):
        lines.insert(0, b"host: %b\r\n" % authority.encode())
    lines.append(_framing(method, length))
    head = b"%b %b HTTP/1.1\r\n%b\r\n" % (method.encode(), target, b"".join(lines))
    if not _HEAD.fullmatch(head) or head.count(b"\n") != len(lines) + (2 if lines[-1] else 1):
        raise ValueError("The method, the target or a header would not be read as such.")
    return head


def _framing(method: str, length: int | None) -> bytes:
    if length is None:
        return b"transfer-encoding: chunked\r\n"
    if length < 0:
        raise ValueError("A length is never negative.")
    return b"" if length == 0 and method in _WITHOUT_BODY else b"content-length: %d\r\n" % length
