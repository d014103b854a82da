"""RE2 with our limits, and pauses for threads that run beside an event loop."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import re2

T = TypeVar("T")

MAX_MEMORY = 32 * 2**20
_SENTINEL = r"\z"


def _options() -> re2.Options:
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    return options


def compiled(pattern: str) -> Any:
    """A compiled pattern. RE2's module caches the latest ones. Raises re2.error."""
    return re2.compile(pattern, _options())


def compiled_set(patterns: Sequence[str]) -> Any:
    """A set whose first member is the sentinel, so pattern n has number n + 1. Raises re2.error."""
    together = re2.Set.SearchSet(_options())
    together.Add(_SENTINEL)
    for pattern in patterns:
        together.Add(pattern)
    together.Compile()
    return together


def pause() -> None:
    """Let other threads run. Does nothing on the main thread, where it would block the event loop."""
    if threading.current_thread() is not threading.main_thread():
        # Not 0: this thread would take the interpreter back before the others wake.
        time.sleep(1e-5)


def gently(things: Iterable[T], *, every: int) -> Iterator[T]:
    """The same things, with a pause after every so many."""
    for number, thing in enumerate(things, start=1):
        yield thing
        if number % every == 0:
            pause()
