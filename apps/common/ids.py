"""Identifiers of calls and requests."""

import random
import time
from datetime import datetime

_random = random.Random()  # noqa: S311  # ids are public; only their uniqueness matters


def new_id() -> str:
    """A UUIDv7 as 32 hexadecimal characters: ordered by time, so that indexes stay compact (RFC 9562, 5.7)."""
    milliseconds = time.time_ns() // 1_000_000
    bits = _random.getrandbits(74)
    return f"{milliseconds << 80 | 0x7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | bits & (1 << 62) - 1:032x}"


def random_hex(bits: int) -> str:
    """A random number in hexadecimal, but never zero. It can be guessed: for ids of traces, not for secrets."""
    return f"{_random.getrandbits(bits) or 1:0{bits // 4}x}"


def first_id(at: datetime) -> str:
    """The lowest id that can be made at this instant. Every id made since compares as equal or greater."""
    return f"{int(at.timestamp() * 1000) << 80:032x}"
