"""Lowers the priority of a process whose work can wait, except while others wait for it.

A process of low priority may lose its core at any moment and for long. It must not do so while it keeps a SQLite file
locked, since that blocks every student's call. Linux has a priority for each thread and only lets it be lowered, so one
thread keeps the original priority.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_first: ThreadPoolExecutor | None = None


def lower(niceness: int) -> None:
    """Lower the priority of this thread and of all that it starts. Call it once, when the process starts."""
    global _first
    _first = ThreadPoolExecutor(1, thread_name_prefix="first priority")
    _first.submit(os.getpid).result()  # starts the thread, before the priority is lowered
    os.nice(niceness)


def at_first_priority(work: Callable[[], None]) -> None:
    """Run `work` at the priority that the process started with, and wait for it."""
    if _first is None:
        work()
    else:
        _first.submit(work).result()
