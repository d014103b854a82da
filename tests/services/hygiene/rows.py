"""What a row of the hygiene table is: a request as bytes, what becomes of it at each server, and why they differ.

passed    the service gets it as it is
cleaned   the service gets it without the mark
cut       the service gets its beginning, or nothing yet, and the end of the connection instead of the rest
refused   the service gets nothing
+ghost    and it gets the request that stands behind
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

GET = b"GET <at>/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n<own>"
POST = b"POST <at>/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n<own>"
KEPT = b"POST <at>/x HTTP/1.1\r\nHost: localhost\r\n<own>"  # with a connection that goes on
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
HIDDEN = b"GET <at><ghost> HTTP/1.1\r\nHost: localhost\r\n<own>\r\n"


@dataclass(frozen=True, slots=True)
class Row:
    """`mark` is looked for in what the service gets. `why` explains what differs between Stoa, nginx and HAProxy."""

    name: str
    stoa: str
    nginx: str
    haproxy: str
    request: bytes
    mark: bytes
    why: str

    def sent(self, number: int, *, prefix: str, key: str) -> bytes:
        """The request with a key and what tells it from others."""
        own = b"Authorization: Bearer %b\r\nX-Row: row-%d-\r\n" % (key.encode(), number)
        request = self.request.replace(b"<own>", own).replace(b"<at>", prefix.encode())
        return request.replace(b"<ghost>", b"/ghost-%d-" % number)

    def outcome(self, number: int, journal: Sequence[dict[str, Any]]) -> str:
        """What became of it, from all that the service got."""
        own = [entry for entry in journal if f"row-{number}-" in json.dumps(entry["headers"])]
        first = next((entry for entry in own if not entry["target"].startswith("/ghost-")), None)
        has_ghost = any(entry["target"].startswith(f"/ghost-{number}-") for entry in journal)
        return self._outcome(first) + ("+ghost" if has_ghost else "")

    def _outcome(self, entry: dict[str, Any] | None) -> str:
        if entry is None:
            return "refused"
        if not entry["is_whole"]:
            return "cut"
        told = json.dumps([entry["target"], entry["headers"], entry["body"], entry["method"]])
        return "passed" if self.mark.decode("latin-1").lower() in told.lower() else "cleaned"


def row(name: str, outcomes: str, request: bytes, mark: bytes = b"", why: str = "") -> Row:
    """`outcomes` are of Stoa, nginx and HAProxy, or the one of all three."""
    words = outcomes.split()
    stoa, nginx, haproxy = words * 3 if len(words) == 1 else words
    return Row(name, stoa, nginx, haproxy, request, mark, why)


def line(header: bytes) -> bytes:
    return GET + header + b"\r\n\r\n"


def path(rest: bytes) -> bytes:
    return b"GET <at>" + rest + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n<own>\r\n"


def host(headers: bytes) -> bytes:
    return b"GET <at>/x HTTP/1.1\r\n" + headers + b"Connection: close\r\n<own>\r\n"
