"""Bounds what a text of JSON would become, before anything is built from it. Pure, linear time, little memory.

A parser keeps the GIL until it is done, so a body of millions of empty lists would stop the event loop for seconds
even from a thread, and take a gigabyte. This looks at the bytes piece by piece instead, so that other threads get their
turn. Brackets and commas within strings do not count. A text that is no JSON may be counted wrong, but only behind its
mistake, where no parser goes.
"""

from itertools import accumulate

from apps.common.errors import BodyTooLarge, InvalidRequest

MAX_DEPTH = 200  # schemas of tools may be as deep; what goes to providers is written by a library that ends at 254
MAX_VALUES = 200_000
# Bytes outside of strings, and escapes within them: what takes a parser longer than the letters of a picture.
MAX_SLOW_BYTES = 4 * 2**20
PIECE = 64 * 1024

_ALL = frozenset(range(256))
_NO_BRACKETS = bytes(_ALL.difference(b"[]{}"))
_NO_STARTS = bytes(_ALL.difference(b"[{,:"))  # what stands before each value and each name of a property
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def check(raw: bytes) -> None:
    """Raises InvalidRequest for too many values or levels, and BodyTooLarge for too much that is slow to parse."""
    looked = Look()
    for start in range(0, len(raw), PIECE):
        looked.at(raw[start : start + PIECE])


class Look:
    """Where the look has got to: within a string or not, how deep, and what has been counted."""

    def __init__(self) -> None:
        self._is_inside = False
        self._left = b""  # a backslash whose letter is in the next piece
        self.depth = 0
        self.values = self._strings = self._slow = 0

    def at(self, piece: bytes) -> None:
        bare = self._outside_of_strings(self._unescaped(self._left + piece))
        self._slow += len(bare)
        if self._slow > MAX_SLOW_BYTES:
            raise BodyTooLarge(
                "request_too_large",
                f"The body has more than {MAX_SLOW_BYTES:,} bytes of numbers, blanks and escapes. Send less at once.",
            )
        self.values += len(bare.translate(None, _NO_STARTS))
        if max(self.values, self._strings) > MAX_VALUES:
            raise InvalidRequest(
                "too_many_values", f"The body has more than {MAX_VALUES:,} values. Send fewer at once."
            )
        self._descend(bare.translate(None, _NO_BRACKETS))

    def _unescaped(self, piece: bytes) -> bytes:
        """The piece without escaped backslashes and quotes."""
        self._left = b""
        if b"\\" not in piece:
            return piece
        self._slow += piece.count(b"\\")
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2:
            piece, self._left = piece[:-1], b"\\"
            self._slow -= 1  # counted with the next piece
        return piece.replace(b"\\\\", b"").replace(b'\\"', b"")

    def _outside_of_strings(self, piece: bytes) -> bytes:
        parts = piece.split(b'"')
        bare = b"".join(parts[self._is_inside :: 2])
        self._strings += len(parts) // 2
        self._is_inside ^= len(parts) % 2 == 0
        return bare

    def _descend(self, brackets: bytes) -> None:
        opened = brackets.count(b"[") + brackets.count(b"{")
        if self.depth + opened > MAX_DEPTH and self._deepest(brackets) > MAX_DEPTH:
            raise InvalidRequest("too_deep", f"The body is nested more than {MAX_DEPTH} levels deep. Flatten it.")
        self.depth += 2 * opened - len(brackets)

    def _deepest(self, brackets: bytes) -> int:
        return max(accumulate(map(_STEPS.__getitem__, brackets), initial=self.depth))
