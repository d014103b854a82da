"""Bodies that are made to keep a server busy, and how long others wait meanwhile."""

import gzip
import http.client
import json
import subprocess
import sys
import time
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.chat.world import PATIENCE, World

M = 2**20
MOST = 28 * M  # the largest body there is
REST = 0.15  # seconds for which others are watched after an answer
ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Nasty:
    """The content, made when it is needed, since most are long; the statuses that it may get; its coding."""

    content: Callable[[str], bytes]
    statuses: frozenset[int]
    coding: str = ""


def _with(field: bytes, *, size: int = 0, start: bytes = b"", piece: bytes = b"", end: bytes = b"") -> "_Maker":
    """A right request with one more field: the piece again and again, up to this many bytes in all."""

    def made(model: str) -> bytes:
        times = (size - len(start) - len(end) - 200) // len(piece) if piece else 0
        head = b'{"model":"%s","messages":[{"role":"user","content":"Hi"}]' % model.encode()
        return head + b',"%s":' % field + start + piece * times + end + b"}"

    return made


def _saying(content: Callable[[], bytes]) -> "_Maker":
    return lambda model: b'{"model":"%s","messages":[{"role":"user","content":%s}]}' % (model.encode(), content())


def _part(kind: str, **more: object) -> bytes:
    return json.dumps([{"type": kind, kind: more}]).encode()


def _file(data: str) -> "_Maker":
    return _saying(lambda: _part("file", file_data=data))


def _messages(one: bytes, number: int) -> "_Maker":
    return lambda model: b'{"model":"%s","messages":[%s]}' % (model.encode(), b",".join([one] * number))


_Maker = Callable[[str], bytes]
_ANSWERED = frozenset({200})
_REFUSED = frozenset({400, 413})
_EITHER = _ANSWERED | _REFUSED


def _bomb(packed: Callable[[bytes], bytes], plain: _Maker) -> _Maker:
    return lambda model: packed(plain(model))


_LISTS = _with(b"unknown", size=9 * M, start=b"[", piece=b"[],", end=b"1]")
# Those that hurt most before there were bounds, and one of each kind.
WORST: dict[str, Nasty] = {
    "nested lists under tools": Nasty(_with(b"tools", start=b"[" * 4_700_000 + b"]" * 4_700_000), _REFUSED),
    "three million empty lists": Nasty(_LISTS, _REFUSED),
    "as many lists as may be": Nasty(_with(b"unknown", size=290_000, start=b"[", piece=b"[],", end=b"1]"), _ANSWERED),
    "a picture": Nasty(
        _saying(lambda: _part("image_url", url="data:image/png;base64," + "QUJD" * 7_300_000)), _ANSWERED
    ),
    "a text file": Nasty(_file("data:text/plain;base64," + "QUJD" * 7_300_000), _REFUSED),
    "a number": Nasty(_with(b"seed", size=MOST, start=b"1", piece=b"9"), _REFUSED),
    "a bomb of lists": Nasty(_bomb(gzip.compress, _LISTS), _REFUSED, "gzip"),
}
OTHERS: dict[str, Nasty] = {
    "lists in lists": Nasty(_with(b"tools", size=9 * M, start=b"[", piece=b"[[[[]]]],", end=b"1]"), _REFUSED),
    "objects": Nasty(_with(b"unknown", size=9 * M, start=b"[", piece=b'{"a":{}},', end=b"1]"), _REFUSED),
    "many names": Nasty(lambda model: _with(b"unknown", start=_names(70_000))(model), _ANSWERED),
    "far too many names": Nasty(lambda model: _with(b"unknown", start=_names(900_000))(model), _REFUSED),
    "many strings": Nasty(_with(b"unknown", size=M - 1_000, start=b"[", piece=b'"ab",', end=b"1]"), _EITHER),
    "many numbers": Nasty(_with(b"unknown", size=M - 1_000, start=b"[", piece=b"1.25e3,", end=b"1]"), _EITHER),
    "long integers": Nasty(_with(b"unknown", size=M - 1_000, start=b"[", piece=b"9" * 290 + b",", end=b"1]"), _EITHER),
    "long integers read exactly": Nasty(
        _with(b"unknown", size=250_000, start=b"[", piece=b"9" * 290 + b",", end=b"1]"), _EITHER
    ),
    "a text as long as may be": Nasty(_saying(lambda: b'"' + b"word " * 209_000 + b'"'), _ANSWERED),
    "a text of many scripts": Nasty(_saying(lambda: b'"' + "слово ä ".encode() * 65_000 + b'"'), _EITHER | {503}),
    "a text far too long": Nasty(_saying(lambda: b'"' + b"word " * 5_800_000 + b'"'), _REFUSED),
    "emoji": Nasty(_saying(lambda: b'"' + "😀".encode() * 7_300_000 + b'"'), _REFUSED),
    "escapes": Nasty(_saying(lambda: b'"' + rb"\u00e9" * 4_800_000 + b'"'), _REFUSED),
    "escaped line ends": Nasty(_saying(lambda: b'"' + rb"\n" * 14_000_000 + b'"'), _REFUSED),
    "escaped backslashes": Nasty(_saying(lambda: b'"' + rb"\\" * 14_000_000 + b'"'), _REFUSED),
    "quotes": Nasty(lambda model: b'"' * MOST, _REFUSED),
    "brackets": Nasty(lambda model: b"[" * MOST, _REFUSED),
    "blanks": Nasty(lambda model: b" " * (MOST - 2) + b"{}", _REFUSED),
    "nulls": Nasty(lambda model: b"\0" * MOST, _REFUSED),
    "messages": Nasty(_messages(b'{"role":"user","content":"a"}', 10_000), _ANSWERED),
    "far too many messages": Nasty(_messages(b'{"role":"user","content":"a"}', 900_000), _REFUSED),
    "parts": Nasty(_saying(lambda: b"[" + b'{"type":"text","text":"a"},' * 9_999 + b'{"type":"text"}]'), _ANSWERED),
    "a picture as PHP writes it": Nasty(
        _saying(
            lambda: _part("image_url", url="data:image/png;base64," + "QUJDQUJDQUJDQUJDQUJDQUJD/" * M).replace(
                b"/", rb"\/"
            )
        ),
        _EITHER,
    ),
    "percents": Nasty(_saying(lambda: _part("image_url", url="data:text/plain," + "%41" * 9_700_000)), _REFUSED),
    "a long head": Nasty(_saying(lambda: _part("image_url", url="data:" + "a " * 14_000_000 + ",")), _REFUSED),
    "a file in a wide charset": Nasty(_file("data:text/plain;charset=utf-32;base64," + "QUJD" * 7_300_000), _REFUSED),
    "a file that is no text": Nasty(_file(b64encode(b"\x89PNG" + bytes(range(256)) * 80_000).decode()), _EITHER),
    "pads": Nasty(_file("data:text/plain;base64," + "Q=" * 14_000_000), _REFUSED),
    "a bomb of blanks": Nasty(_bomb(gzip.compress, lambda model: b" " * 200 * M), _REFUSED, "gzip"),
    "a bomb in a bomb": Nasty(
        _bomb(lambda plain: gzip.compress(gzip.compress(plain)), lambda _: b" " * 200 * M), _REFUSED, "gzip"
    ),
    "a bomb of strings": Nasty(
        _bomb(zlib.compress, lambda model: b'["' + b'a","' * (6 * M) + b'"]'), _REFUSED, "deflate"
    ),
    "a bomb of members": Nasty(lambda model: gzip.compress(b" " * 10_000) * 10_000, _REFUSED, "gzip"),
}


def _names(number: int) -> bytes:
    return json.dumps({f"k{one}": 0 for one in range(number)}).encode()


@dataclass(slots=True)
class Waits:
    """How long somebody else's `GET /v1/models` took, in seconds, while something was going on."""

    seconds: list[float] = field(default_factory=list)

    @property
    def longest(self) -> float:
        return max(self.seconds)


# A process of its own: the provider and whoever sends the body are in ours, and would keep it waiting.
_WATCHING = """
import http.client, select, sys, time
connection, key = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30), sys.argv[2]
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.002)[0]:
    began = time.perf_counter()
    connection.request("GET", "/v1/models", headers={"authorization": "Bearer " + key})
    assert connection.getresponse().read().startswith(b'{"object"')
    print(time.perf_counter() - began)
"""


@contextmanager
def somebody_else(world: World) -> Iterator[Waits]:
    """Another student asks for the models again and again, until this ends."""
    command = [sys.executable, "-c", _WATCHING, str(world.gateway.port), world.key]
    waits = Waits()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield waits
        time.sleep(REST)
        waits.seconds = list(map(float, process.communicate("", timeout=PATIENCE)[0].split()))
    assert process.returncode == 0


def send(world: World, content: bytes, *, coding: str = "") -> int:
    """The status that a body gets."""
    headers = {"authorization": f"Bearer {world.key}", **({"content-encoding": coding} if coding else {})}
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.port, timeout=PATIENCE)
    try:
        connection.request("POST", "/v1/chat/completions", content, headers)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def share_of_processor() -> float:
    """How much of a processor one gets at the moment: what takes a millisecond takes so much longer."""
    began, spent = time.perf_counter(), time.thread_time()
    while time.thread_time() - spent < 0.02:
        pass
    return 0.02 / (time.perf_counter() - began)


def extra_wait(world: World, other: World, nasty: Nasty) -> tuple[float, int]:
    """By how much longer another student waited beside a nasty body than beside a plain one, and the body's status.

    In seconds of a machine that does nothing else. A machine may be busy, but hardly in the same way every time: the
    least of a few attempts counts.
    """
    content, extra, status = nasty.content(world.model.name), float("inf"), 0
    for _ in range(ATTEMPTS):
        with somebody_else(other) as calm:
            send(world, json.dumps(world.body()).encode())
            share = share_of_processor()
        with somebody_else(other) as disturbed:
            status = send(world, content, coding=nasty.coding)
        extra = min(extra, (disturbed.longest - calm.longest) * min(share, share_of_processor()))
        if extra < 0.05:
            break
    return extra, status
