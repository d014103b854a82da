"""RE2 with our limits, and manners in a thread beside an event loop."""

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
    """One pattern. RE2's module remembers the latest. Raises re2.error."""
    return re2.compile(pattern, _options())


def compiled_set(patterns: Sequence[str]) -> Any:
    """A set whose first member is the sentinel, so that pattern n has number n + 1. Raises re2.error."""
    together = re2.Set.SearchSet(_options())
    together.Add(_SENTINEL)
    for pattern in patterns:
        together.Add(pattern)
    together.Compile()
    return together


def pause() -> None:
    """Let other threads have the interpreter. Sleeping for no time at all would take it back before they wake.

    On the main thread, where the event loop only glances at short texts, even that would be a blocking call.
    """
    if threading.current_thread() is not threading.main_thread():
        time.sleep(1e-5)


def gently(things: Iterable[T], *, every: int) -> Iterator[T]:
    """The same things, with a pause after so many of them."""
    for number, thing in enumerate(things, start=1):
        yield thing
        if number % every == 0:
            pause()
