"""Bounds how many password hashes a process computes at once: each takes a third of a second of a core."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from apps.common.errors import Unavailable

AT_ONCE = max(1, (os.cpu_count() or 2) // 2)  # the other cores go on serving students
PATIENCE = 10.0
_turns = BoundedSemaphore(AT_ONCE)


class BoundedHasher(PBKDF2PasswordHasher):
    """Django's hasher, a few at a time, wherever the hash is needed. Raises Unavailable after a long wait."""

    def encode(self, *args: Any, **options: Any) -> str:
        with turn(_turns, PATIENCE):
            return super().encode(*args, **options)


@contextmanager
def turn(turns: BoundedSemaphore, patience: float) -> Iterator[None]:
    if not turns.acquire(timeout=patience):
        raise Unavailable("too_many_sign_ins", "Too many people are signing in right now. Try again shortly.", wait=10)
    try:
        yield
    finally:
        turns.release()
