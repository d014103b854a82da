"""A process whose work can wait, at a lower priority; but not while others wait for it.

A process of low priority may lose its core at any moment and for long. It must not do so while it keeps a SQLite file
locked, for then it stops every student's call. Linux keeps a priority for each thread, and only lets it be lowered: one
thread is left at the first.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_first: ThreadPoolExecutor | None = None


def lower(niceness: int) -> None:
    """Lower the priority of this thread and of all that it starts from now on. Once, at the start of a process."""
    global _first
    _first = ThreadPoolExecutor(1, thread_name_prefix="first priority")
    _first.submit(os.getpid).result()  # only now is there a thread
    os.nice(niceness)


def at_first_priority(work: Callable[[], None]) -> None:
    """Do it at the priority that the process began with."""
    if _first is None:
        work()
    else:
        _first.submit(work).result()
